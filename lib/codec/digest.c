/* SPDX-License-Identifier: MIT */

#include "codec/digest.h"

#include <assert.h>

#include <openssl/evp.h>

#include "base/error.h"

static const EVP_MD *
kind_md(enum digest_kind kind)
{
	switch (kind) {
	case DIGEST_MD5:
		return EVP_md5();
	case DIGEST_SHA1:
		return EVP_sha1();
	case DIGEST_SHA256:
		break;
	}
	assert(kind == DIGEST_SHA256);
	return EVP_sha256();
}

int
digest_init(struct digest *d, enum digest_kind kind, struct error *err)
{
	if (d->context == NULL)
		d->context = EVP_MD_CTX_new();
	if (d->context == NULL ||
	    EVP_DigestInit_ex(d->context, kind_md(kind), NULL) != 1)
		return error_set(err, ERRC_NOMEM, "digest: out of memory");
	return 0;
}

/* Once a digest is begun, adding to it and ending it cannot fail. */
void
digest_update(struct digest *d, const void *p, size_t n)
{
	int ok;

	assert(d->context != NULL);
	ok = EVP_DigestUpdate(d->context, p, n);
	assert(ok == 1);
}

void
digest_final(struct digest *d, uint8_t *out)
{
	int ok;

	assert(d->context != NULL);
	ok = EVP_DigestFinal_ex(d->context, out, NULL);
	assert(ok == 1);
}

void
digest_fini(struct digest *d)
{
	EVP_MD_CTX_free(d->context);
	d->context = NULL;
}

static int
one_shot(enum digest_kind kind, uint8_t *out, const void *p, size_t n,
    struct error *err)
{
	if (EVP_Digest(p, n, out, NULL, kind_md(kind), NULL) != 1)
		return error_set(err, ERRC_NOMEM, "digest: out of memory");
	return 0;
}

int
digest_md5(uint8_t out[static DIGEST_MD5_BYTES], const void *p, size_t n,
    struct error *err)
{
	return one_shot(DIGEST_MD5, out, p, n, err);
}

int
digest_sha256(uint8_t out[static DIGEST_SHA256_BYTES], const void *p, size_t n,
    struct error *err)
{
	return one_shot(DIGEST_SHA256, out, p, n, err);
}
