/* SPDX-License-Identifier: Apache-2.0 */
/* input.c - files become the tensors that a model asks for. */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/npy.h"

/* A tensor on disk; the protocol takes no larger ones. */
#define MAX_FILE ((size_t)1 << 34)

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static ms_code read_open(int fd, const char *path, size_t max, uint8_t **bytes, size_t *len,
                         struct ms_err *err)
{
    struct stat st;
    size_t size, at = 0;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s: not a regular file", base_name(path));
    size = (size_t)st.st_size;
    if (size > max)
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "%s: %zu bytes are too many", base_name(path),
                       size);
    *bytes = ms_malloc(size + 1);
    if (!*bytes)
        return ms_fail_oom(err, base_name(path), size);
    while (at < size) {
        ssize_t n = read(fd, *bytes + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            ms_free(*bytes);
            return ms_fail(err, MS_DATA_LOSS, "%s: %s", base_name(path),
                           n < 0 ? strerror(errno) : "became shorter while it was read");
        }
        at += (size_t)n;
    }
    (*bytes)[size] = '\0';
    *len = size;
    return MS_OK;
}

ms_code ms_cli_file_read(const char *path, size_t max, uint8_t **bytes, size_t *len,
                         struct ms_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ms_code code;

    if (fd < 0)
        return ms_fail(err, errno == ENOENT ? MS_NOT_FOUND : MS_INVALID_ARGUMENT, "%s: %s",
                       base_name(path), strerror(errno));
    code = read_open(fd, path, max, bytes, len, err);
    close(fd);
    return code;
}

static bool suffix_is(const char *path, const char *suffix)
{
    const char *dot = strrchr(base_name(path), '.');

    return dot && strcasecmp(dot, suffix) == 0;
}

static ms_code decode(const char *path, const uint8_t *bytes, size_t len,
                      const struct mindserve_port *port, const struct mindserve_image *image,
                      struct mindserve_tensor **out, struct ms_err *err)
{
    struct mindserve_error e;

    if (suffix_is(path, ".npy"))
        return ms_npy_read(bytes, len, out, err);
    if (suffix_is(path, ".json"))
        return ms_cli_json_read(bytes, len, port, out, err);
    if (suffix_is(path, ".png") || suffix_is(path, ".jpg") || suffix_is(path, ".jpeg"))
        return ms_cli_picture_read(bytes, len, port, image, out, err);
    if (!suffix_is(path, ".pb"))
        return ms_fail(err, MS_INVALID_ARGUMENT, "must be .npy, .pb, .json, .png or .jpg");
    if (mindserve_tensor_from_pb(bytes, len, out, &e) != MINDSERVE_OK)
        return ms_fail(err, (ms_code)e.code, "%s", e.text);
    return MS_OK;
}

ms_code ms_cli_tensor_read(const char *path, const struct mindserve_port *port,
                           const struct mindserve_image *image, struct mindserve_tensor **out,
                           struct ms_err *err)
{
    uint8_t *bytes;
    size_t len;
    ms_code code;

    MS_TRY(ms_cli_file_read(path, MAX_FILE, &bytes, &len, err));
    code = decode(path, bytes, len, port, image, out, err);
    ms_free(bytes);
    return code == MS_OK ? MS_OK : ms_err_prefix(err, "%s", base_name(path));
}

struct ms_cli_name ms_cli_tensor_form(const struct mindserve_tensor *t)
{
    struct ms_cli_name n;
    struct ms_buf b;
    int rank = mindserve_tensor_rank(t);

    ms_buf_init(&b, sizeof n.text);
    ms_buf_printf(&b, "%s[", mindserve_dtype_name(mindserve_tensor_dtype(t)));
    for (int i = 0; i < rank; i++)
        ms_buf_printf(&b, i ? ",%lld" : "%lld", (long long)mindserve_tensor_dims(t)[i]);
    ms_buf_putc(&b, ']');
    ms_escape(n.text, sizeof n.text, ms_buf_str(&b), b.len);
    ms_buf_done(&b);
    return n;
}

static bool shape_fits(const struct mindserve_tensor *t, const struct mindserve_port *port)
{
    if (port->rank < 0)
        return true;
    if (mindserve_tensor_rank(t) != port->rank)
        return false;
    for (int i = 0; i < port->rank; i++)
        if (port->dim[i] >= 0 && mindserve_tensor_dims(t)[i] != port->dim[i])
            return false;
    return true;
}

/* numpy and old ONNX files know no bfloat16 and store its bits as u16. */
static ms_code relabel_bf16(struct mindserve_tensor **t, struct ms_err *err)
{
    struct mindserve_tensor *b =
        mindserve_tensor_new(MINDSERVE_BF16, mindserve_tensor_rank(*t), mindserve_tensor_dims(*t));

    if (!b)
        return ms_fail_oom(err, "tensor", mindserve_tensor_bytes(*t));
    if (mindserve_tensor_bytes(b))
        memcpy(mindserve_tensor_data(b), mindserve_tensor_data(*t), mindserve_tensor_bytes(b));
    mindserve_tensor_free(*t);
    *t = b;
    return MS_OK;
}

ms_code ms_cli_tensor_fit(struct mindserve_tensor **t, const struct mindserve_port *port,
                          struct ms_err *err)
{
    if (port->dtype == MINDSERVE_BF16 && mindserve_tensor_dtype(*t) == MINDSERVE_U16)
        MS_TRY(relabel_bf16(t, err));
    if (mindserve_tensor_dtype(*t) == port->dtype && shape_fits(*t, port))
        return MS_OK;
    return ms_fail(err, MS_INVALID_ARGUMENT, "is %s, input '%s' takes %s%s",
                   ms_cli_tensor_form(*t).text, ms_cli_safe(port->name),
                   mindserve_dtype_name(port->dtype), ms_cli_safe(port->shape));
}

bool ms_cli_input_add(struct ms_cli *c, struct ms_cli_inputs *in)
{
    if (in->n == MS_CLI_MAX_INPUTS) {
        ms_cli_usage(c, "more than %d inputs", MS_CLI_MAX_INPUTS);
        return false;
    }
    in->word[in->n++] = c->value;
    return true;
}

/* Which input "IN=FILE" is meant for; -1: no such name, so the word is a file. */
static int named_port(const struct mindserve_info *info, const char *word)
{
    for (int k = 0; k < info->n_inputs; k++) {
        size_t len = strlen(info->inputs[k].name);
        if (strncmp(word, info->inputs[k].name, len) == 0 && word[len] == '=')
            return k;
    }
    return -1;
}

static int missing_input(struct ms_cli *c, const struct mindserve_info *info, int k)
{
    return ms_cli_usage(c, "input '%s' (%s%s) is missing: --input %s=FILE",
                        ms_cli_safe(info->inputs[k].name),
                        mindserve_dtype_name(info->inputs[k].dtype),
                        ms_cli_safe(info->inputs[k].shape), ms_cli_safe(info->inputs[k].name));
}

/* The file's path and input of one word; -1 after an error. */
static int resolve(struct ms_cli *c, const struct mindserve_info *info, const char *word, int next,
                   const char **path)
{
    int k = named_port(info, word);

    *path = word;
    if (k >= 0) {
        *path = word + strlen(info->inputs[k].name) + 1;
        return k;
    }
    if (strchr(word, '=') && access(word, F_OK) != 0) {
        ms_cli_usage(c, "--input %s: the model has no such input (its first is '%s')", word,
                     info->n_inputs ? ms_cli_safe(info->inputs[0].name) : "");
        return -1;
    }
    if (next >= info->n_inputs) {
        ms_cli_usage(c, "--input %s: the model has only %d inputs", word, info->n_inputs);
        return -1;
    }
    return next;
}

static int read_one(struct ms_cli *c, const struct mindserve_info *info, const char *word, int next,
                    struct mindserve_named *named)
{
    const struct mindserve_port *port;
    const char *path;
    struct ms_err err;
    int k = resolve(c, info, word, next, &path);

    if (k < 0)
        return MS_EXIT_USAGE;
    if (named[k].tensor)
        return ms_cli_usage(c, "input '%s' is given twice", ms_cli_safe(info->inputs[k].name));
    port = &info->inputs[k];
    if (ms_cli_tensor_read(path, port, &info->image, &named[k].tensor, &err) != MS_OK)
        return ms_cli_fail(c, "%s", err.text);
    if (ms_cli_tensor_fit(&named[k].tensor, port, &err) != MS_OK)
        return ms_cli_fail(c, "%s %s", base_name(path), err.text);
    return MS_EXIT_OK;
}

int ms_cli_inputs_read(struct ms_cli *c, const struct ms_cli_inputs *in,
                       const struct mindserve_info *info, struct mindserve_named *named)
{
    int code = MS_EXIT_OK, next = 0;

    for (int k = 0; k < info->n_inputs; k++)
        named[k] = (struct mindserve_named){info->inputs[k].name, NULL};
    for (int i = 0; i < in->n && code == MS_EXIT_OK; i++) {
        while (next < info->n_inputs && named[next].tensor)
            next++;
        code = read_one(c, info, in->word[i], next, named);
    }
    for (int k = 0; k < info->n_inputs && code == MS_EXIT_OK; k++)
        if (!named[k].tensor)
            code = missing_input(c, info, k);
    if (code != MS_EXIT_OK)
        ms_cli_inputs_free(named, info->n_inputs);
    return code;
}

void ms_cli_inputs_free(struct mindserve_named *named, int n)
{
    for (int k = 0; k < n; k++)
        mindserve_tensor_free(named[k].tensor);
}

/* ---- results ---- */

struct ms_cli_name ms_cli_output_file(int k, const char *name)
{
    struct ms_cli_name n;
    int used = snprintf(n.text, sizeof n.text, "%d_", k);

    for (const char *p = name; *p && used < (int)sizeof n.text - 5; p++) {
        bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= 'a' && *p <= 'z') || strchr("._-", *p);
        n.text[used++] = plain ? *p : '_';
    }
    memcpy(n.text + used, ".npy", 5);
    return n;
}

static int write_file(struct ms_cli *c, int dirfd, const char *name, const struct ms_buf *b)
{
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    size_t at = 0;

    if (fd < 0)
        return ms_cli_fail(c, "%s: %s", name, strerror(errno));
    while (at < b->len) {
        ssize_t n = write(fd, b->data + at, b->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int saved = errno;
            close(fd);
            return ms_cli_fail(c, "%s: %s", name, strerror(saved));
        }
        at += (size_t)n;
    }
    if (close(fd) != 0)
        return ms_cli_fail(c, "%s: %s", name, strerror(errno));
    return MS_EXIT_OK;
}

int ms_cli_outputs_write(struct ms_cli *c, const struct mindserve_outputs *o, const char *dir)
{
    int code = MS_EXIT_OK, dirfd;

    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return ms_cli_fail(c, "%s: %s", dir, strerror(errno));
    dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return ms_cli_fail(c, "%s: %s", dir, strerror(errno));
    for (int k = 0; k < o->n && code == MS_EXIT_OK; k++) {
        struct ms_cli_name name = ms_cli_output_file(k, o->output[k].name);
        struct ms_err err;
        struct ms_buf b;
        ms_buf_init(&b, SIZE_MAX / 2);
        code = ms_npy_write(o->output[k].tensor, &b, &err) == MS_OK
                   ? write_file(c, dirfd, name.text, &b)
                   : ms_cli_fail(c, "%s", err.text);
        ms_buf_done(&b);
    }
    close(dirfd);
    return code;
}
