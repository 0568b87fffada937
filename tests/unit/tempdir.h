/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_TEMPDIR_H
#define KOOP_TESTS_UNIT_TEMPDIR_H

/*
 * A folder for what a unit test writes: new, under TMPDIR (or
 * /tmp, where that has a long name), and removed with
 * all that is in it when the test program exits, however that comes.  The
 * runner (tests/run) fails a program that leaves anything behind.
 */

#define TEMPDIR_BYTES 52

void tempdir_make(char out[static TEMPDIR_BYTES]);

#endif
