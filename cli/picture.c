/* SPDX-License-Identifier: Apache-2.0 */
/* picture.c - .png and .jpg files as tensors, scaled as the model's configuration says.
 *
 * Steps, each after what PIL does, since that is how models are mostly trained and tried: decode to
 * 8-bit RGB (transparency dropped), to grey by ITU-R BT.601 if the model wants one channel, resize
 * with a triangle filter whose support grows with the factor (no aliasing when shrinking), then
 * value = (pixel * scale - mean) / std for each channel. */
#include <stdio.h>

#include <jpeglib.h>
#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "base/mem.h"
#include "cli/input.h"

/* A decoded picture must fit in memory several times over. */
enum { MAX_PIXELS = 100 * 1000 * 1000 };

struct picture {
    uint8_t *rgb; /* h x w x 3 */
    size_t w, h;
};

static ms_code make_room(struct picture *p, size_t w, size_t h, struct ms_err *err)
{
    if (w == 0 || h == 0 || w > MAX_PIXELS / h)
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "%zu x %zu pixels: too many, or none", w, h);
    p->w = w;
    p->h = h;
    p->rgb = ms_reallocarray(NULL, w * h, 3);
    return p->rgb ? MS_OK : ms_fail_oom(err, "picture", w * h * 3);
}

static ms_code read_png(const uint8_t *bytes, size_t len, struct picture *p, struct ms_err *err)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    uint8_t *rgba = NULL;
    ms_code code;

    if (!png_image_begin_read_from_memory(&png, bytes, len))
        return ms_fail(err, MS_INVALID_ARGUMENT, "PNG: %s", png.message);
    png.format = PNG_FORMAT_RGBA;
    code = make_room(p, png.width, png.height, err);
    if (code == MS_OK && !(rgba = ms_malloc(PNG_IMAGE_SIZE(png))))
        code = ms_fail_oom(err, "picture", PNG_IMAGE_SIZE(png));
    if (code == MS_OK && !png_image_finish_read(&png, NULL, rgba, 0, NULL))
        code = ms_fail(err, MS_INVALID_ARGUMENT, "PNG: %s", png.message);
    for (size_t i = 0; code == MS_OK && i < p->w * p->h; i++)
        memcpy(p->rgb + i * 3, rgba + i * 4, 3);
    png_image_free(&png);
    ms_free(rgba);
    return code;
}

struct jpeg_failure {
    struct jpeg_error_mgr mgr;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
};

static void jpeg_failed(j_common_ptr j)
{
    struct jpeg_failure *f = (struct jpeg_failure *)j->err;

    j->err->format_message(j, f->text);
    longjmp(f->back, 1);
}

static void jpeg_silent(j_common_ptr j, int level)
{
    (void)j;
    (void)level;
}

/* Between setjmp and longjmp: nothing here may hold memory of its own. */
static ms_code decode_jpeg(struct jpeg_decompress_struct *j, const uint8_t *bytes, size_t len,
                           struct picture *p, struct ms_err *err)
{
    jpeg_mem_src(j, bytes, len);
    jpeg_read_header(j, TRUE);
    j->out_color_space = JCS_RGB;
    MS_TRY(make_room(p, j->image_width, j->image_height, err));
    jpeg_start_decompress(j);
    if (j->output_components != 3)
        return ms_fail(err, MS_INVALID_ARGUMENT, "JPEG: not RGB or grey");
    while (j->output_scanline < j->output_height) {
        JSAMPROW row = p->rgb + (size_t)j->output_scanline * p->w * 3;
        jpeg_read_scanlines(j, &row, 1);
    }
    jpeg_finish_decompress(j);
    return MS_OK;
}

static ms_code read_jpeg(const uint8_t *bytes, size_t len, struct picture *p, struct ms_err *err)
{
    struct jpeg_decompress_struct j = {0};
    struct jpeg_failure failure;
    ms_code code;

    j.err = jpeg_std_error(&failure.mgr);
    failure.mgr.error_exit = jpeg_failed;
    failure.mgr.emit_message = jpeg_silent;
    if (setjmp(failure.back)) {
        jpeg_destroy_decompress(&j);
        return ms_fail(err, MS_INVALID_ARGUMENT, "JPEG: %s", failure.text);
    }
    jpeg_create_decompress(&j);
    code = decode_jpeg(&j, bytes, len, p, err);
    jpeg_destroy_decompress(&j);
    return code;
}

/* ---- channels ---- */

static uint8_t grey_of(const uint8_t *rgb)
{
    /* BT.601 in 16-bit fixed point: 0.299, 0.587, 0.114 */
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

/* One plane of the wanted channels as floats, c of them; "bgr" turns the order around. */
static float *planes_of(const struct picture *p, int c, bool bgr)
{
    size_t n = p->w * p->h;
    float *plane = ms_malloc(n * (size_t)c * sizeof *plane);

    for (size_t i = 0; plane && i < n; i++) {
        if (c == 1)
            plane[i] = grey_of(p->rgb + i * 3);
        for (int k = 0; c == 3 && k < 3; k++)
            plane[(size_t)k * n + i] = p->rgb[i * 3 + (size_t)(bgr ? 2 - k : k)];
    }
    return plane;
}

/* ---- resizing: one direction at a time ---- */

/* Resamples `lines` lines of n_in samples to n_out. Sample i of line k lies at k * line + i * step.
 */
static void resample(const float *in, size_t n_in, size_t step_in, size_t line_in, float *out,
                     size_t n_out, size_t step_out, size_t line_out, size_t lines)
{
    double scale = (double)n_in / (double)n_out, support = scale > 1 ? scale : 1;

    for (size_t o = 0; o < n_out; o++) {
        double centre = ((double)o + 0.5) * scale;
        double low = floor(centre - support + 0.5), high = floor(centre + support + 0.5);
        size_t from = low > 0 ? (size_t)low : 0;
        size_t to = high < (double)n_in ? (size_t)high : n_in;
        double total = 0;
        for (size_t i = from; i < to; i++)
            total += fmax(0, 1 - fabs(((double)i + 0.5 - centre) / support));
        for (size_t k = 0; k < lines; k++) {
            double sum = 0;
            for (size_t i = from; i < to; i++)
                sum += fmax(0, 1 - fabs(((double)i + 0.5 - centre) / support)) *
                       (double)in[k * line_in + i * step_in];
            out[k * line_out + o * step_out] = (float)(sum / total);
        }
    }
}

/* *plane (c planes of w x h) becomes c planes of to_w x to_h. */
static ms_code resize(float **plane, size_t c, size_t w, size_t h, size_t to_w, size_t to_h,
                      struct ms_err *err)
{
    float *wide, *done;

    if (w == to_w && h == to_h)
        return MS_OK;
    wide = ms_malloc(c * to_w * h * sizeof *wide);
    done = ms_malloc(c * to_w * to_h * sizeof *done);
    if (!wide || !done) {
        ms_free(wide);
        ms_free(done);
        return ms_fail_oom(err, "resized picture", c * to_w * to_h * sizeof *done);
    }
    resample(*plane, w, 1, w, wide, to_w, 1, to_w, c * h);
    for (size_t k = 0; k < c; k++)
        resample(wide + k * to_w * h, h, to_w, 1, done + k * to_w * to_h, to_h, to_w, 1, to_w);
    /* PIL rounds to 8 bits after resizing */
    for (size_t i = 0; i < c * to_w * to_h; i++)
        done[i] = rintf(done[i]);
    ms_free(wide);
    ms_free(*plane);
    *plane = done;
    return MS_OK;
}

/* ---- the tensor ---- */

struct target {
    int64_t dim[4];
    int rank, channel_axis, c;
    size_t w, h;
    bool bgr;
};

static ms_code plan(const struct mindserve_port *port, const struct mindserve_image *image,
                    const struct picture *p, struct target *t, struct ms_err *err)
{
    const char *channels = image->channels ? image->channels : "";
    int at = port->rank == 4;

    if (port->rank != 3 && port->rank != 4)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "a picture needs an input of 3 or 4 dimensions, input '%s' takes %s%s",
                       ms_cli_safe(port->name), mindserve_dtype_name(port->dtype),
                       ms_cli_safe(port->shape));
    t->rank = port->rank;
    t->channel_axis = image->nhwc ? at + 2 : at;
    t->c = (int)port->dim[t->channel_axis];
    if (port->dim[t->channel_axis] < 0)
        t->c = strcmp(channels, "gray") == 0 ? 1 : 3;
    if (t->c != 1 && t->c != 3)
        return ms_fail(err, MS_INVALID_ARGUMENT, "a picture has 1 or 3 channels, input '%s' has %d",
                       ms_cli_safe(port->name), t->c);
    t->bgr = strcmp(channels, "bgr") == 0;
    int64_t h = port->dim[image->nhwc ? at : at + 1], w = port->dim[image->nhwc ? at + 1 : at + 2];
    t->h = h < 0 ? p->h : (size_t)h;
    t->w = w < 0 ? p->w : (size_t)w;
    if (t->w == 0 || t->h == 0 || t->w > MAX_PIXELS / t->h)
        return ms_fail(err, MS_INVALID_ARGUMENT, "input '%s': %zu x %zu pixels",
                       ms_cli_safe(port->name), t->w, t->h);
    t->dim[0] = 1;
    t->dim[t->channel_axis] = t->c;
    t->dim[image->nhwc ? at : at + 1] = (int64_t)t->h;
    t->dim[image->nhwc ? at + 1 : at + 2] = (int64_t)t->w;
    return MS_OK;
}

static double channel_value(const double *v, int n, int k, double otherwise)
{
    return n == 0 ? otherwise : n == 1 ? v[0] : k < n ? v[k] : otherwise;
}

static ms_code store(const float *plane, const struct target *t,
                     const struct mindserve_image *image, struct mindserve_tensor *out,
                     struct ms_err *err)
{
    bool raw = mindserve_tensor_dtype(out) == MINDSERVE_U8 && !image->given;
    double scale = raw ? 1 : image->scale != 0 ? image->scale : 1.0 / 255;
    size_t n = t->w * t->h;

    for (int k = 0; k < t->c; k++) {
        double mean = channel_value(image->mean, image->n_mean, k, 0);
        double std = channel_value(image->std, image->n_std, k, 1);
        for (size_t i = 0; i < n; i++) {
            double v = (double)plane[(size_t)k * n + i];
            size_t at = image->nhwc ? i * (size_t)t->c + (size_t)k : (size_t)k * n + i;
            v = ((image->invert ? 255 - v : v) * scale - mean) / std;
            if (mindserve_dtype_size(mindserve_tensor_dtype(out)) == 1)
                v = rint(v);
            if (!mindserve_tensor_set_number(out, at, v))
                return ms_fail(err, MS_INVALID_ARGUMENT, "value %g does not fit into %s", v,
                               mindserve_dtype_name(mindserve_tensor_dtype(out)));
        }
    }
    return MS_OK;
}

static ms_code to_tensor(const struct picture *p, const struct mindserve_port *port,
                         const struct mindserve_image *image, struct mindserve_tensor **out,
                         struct ms_err *err)
{
    struct target t = {0};
    float *plane;
    ms_code code;

    MS_TRY(plan(port, image, p, &t, err));
    plane = planes_of(p, t.c, t.bgr);
    *out = mindserve_tensor_new(port->dtype, t.rank, t.dim);
    code = plane && *out ? resize(&plane, (size_t)t.c, p->w, p->h, t.w, t.h, err)
                         : ms_fail_oom(err, "picture", p->w * p->h * sizeof *plane);
    if (code == MS_OK)
        code = store(plane, &t, image, *out, err);
    ms_free(plane);
    if (code != MS_OK) {
        mindserve_tensor_free(*out);
        *out = NULL;
    }
    return code;
}

ms_code ms_cli_picture_read(const uint8_t *bytes, size_t len, const struct mindserve_port *port,
                            const struct mindserve_image *image, struct mindserve_tensor **out,
                            struct ms_err *err)
{
    static const struct mindserve_image none = {0};
    struct picture p = {0};
    bool png = len >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
    ms_code code = png ? read_png(bytes, len, &p, err) : read_jpeg(bytes, len, &p, err);

    if (code == MS_OK)
        code = to_tensor(&p, port, image ? image : &none, out, err);
    ms_free(p.rgb);
    return code;
}
