/* SPDX-License-Identifier: Apache-2.0 */
/* sha256.c - digests of content, by OpenSSL (which uses the CPU's SHA instructions). */
#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/bytes.h"

/* The struct is never defined: a handle is an EVP_MD_CTX. */
static EVP_MD_CTX *ctx(struct ms_sha256 *s)
{
    return (EVP_MD_CTX *)(void *)s;
}

struct ms_sha256 *ms_sha256_new(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();

    if (c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(c);
        c = NULL;
    }
    return (struct ms_sha256 *)(void *)c;
}

bool ms_sha256_add(struct ms_sha256 *s, const void *data, size_t len)
{
    return EVP_DigestUpdate(ctx(s), data, len) == 1;
}

bool ms_sha256_get(const struct ms_sha256 *s, uint8_t digest[MS_SHA256_LEN])
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new(); /* finishing would end the original */
    bool ok = copy && EVP_MD_CTX_copy_ex(copy, (const EVP_MD_CTX *)(const void *)s) == 1 &&
              EVP_DigestFinal_ex(copy, digest, NULL) == 1;

    EVP_MD_CTX_free(copy);
    return ok;
}

void ms_sha256_free(struct ms_sha256 *s)
{
    EVP_MD_CTX_free(ctx(s));
}

bool ms_sha256_hex(const void *data, size_t len, char hex[MS_SHA256_HEX])
{
    uint8_t digest[MS_SHA256_LEN];

    if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    ms_hex(hex, digest, sizeof digest);
    return true;
}

bool ms_sha256_hex_valid(const char *s, size_t len)
{
    if (len != 2 * MS_SHA256_LEN)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
            return false;
    return true;
}
