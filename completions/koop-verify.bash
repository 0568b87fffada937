source "${BASH_SOURCE[0]%/*}/koop${BASH_SOURCE[0]##*/koop-verify}"
