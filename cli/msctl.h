/* SPDX-License-Identifier: Apache-2.0 */
/* msctl.h - what the commands share: the table's row, options, how to say that something failed.
 *
 * A command is one file with its record; msctl.c has the list. Results go to stdout, everything
 * else to stderr; a command that fails prints one line there and nothing on stdout. */
#ifndef MS_CLI_MSCTL_H
#define MS_CLI_MSCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "mindserve/mindserve.h"

/* Exit codes. */
enum { MS_EXIT_OK = 0, MS_EXIT_FAILED = 1, MS_EXIT_USAGE = 2, MS_EXIT_UNREACHABLE = 3 };

struct ms_cli_option {
    const char *name; /* "output-dir"; NULL ends the table */
    const char *arg;  /* "DIR"; NULL: a flag */
    const char *help;
    char letter; /* 'o', or 0 */
};

struct ms_cli;

struct ms_cli_command {
    const char *name;
    const char *args;     /* "FILE [--name N]": behind the name in the usage line */
    const char *help;     /* one line */
    const char *text;     /* more, or NULL */
    const char *examples; /* lines */
    const struct ms_cli_option *options;
    int (*run)(struct ms_cli *c); /* exit code */
};

struct ms_cli {
    const struct ms_cli_command *command;
    const char *server, *token_file, *ca, *cert, *key; /* global options */
    bool json, quiet;
    int argc; /* arguments that follow the command's name */
    char **argv;
    int at;
    bool words_only; /* behind "--" */
    const char *value;
};

/* ---- arguments: options in any order, global ones too ---- */

enum { MS_CLI_END = -1, MS_CLI_WORD = -2, MS_CLI_BAD = -3 };

/* The next option's row in command->options (c->value is its argument), MS_CLI_WORD (c->value is
 * the word), MS_CLI_END, or MS_CLI_BAD after an error was printed: then leave with MS_EXIT_USAGE.
 * Global options are taken care of. */
int ms_cli_next(struct ms_cli *c);
/* Reads the words of a command that takes exactly n (named in `names` for the error). False: leave
 * with MS_EXIT_USAGE. Only for commands without options of their own. */
bool ms_cli_words(struct ms_cli *c, int n, const char **words, const char *names);
/* c->value as a number of at most max; false after an error was printed. */
bool ms_cli_number(struct ms_cli *c, const char *what, uint64_t max, uint64_t *out);
/* NAME[:V]: *name must be freed with ms_free; version 0 if absent. */
bool ms_cli_model(struct ms_cli *c, const char *word, char **name, uint64_t *version);
void ms_cli_help(const struct ms_cli_command *cmd, FILE *out);

/* ---- failing: one line "msctl: deploy: ..." on stderr; gives the exit code back ---- */
int ms_cli_usage(struct ms_cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int ms_cli_fail(struct ms_cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int ms_cli_failed(struct ms_cli *c, const struct mindserve_error *err);

/* ---- where models run ---- */

/* In this process; o NULL: the defaults. MS_EXIT_OK or the exit code, after the error was printed.
 */
int ms_cli_local(struct ms_cli *c, const struct mindserve_options *o, struct mindserve **out);
/* --server, $MINDSERVE_SERVER, the admin socket, 127.0.0.1:8001: the first that there is. */
int ms_cli_remote(struct ms_cli *c, struct mindserve **out);

/* ---- text ---- */

/* A name from a file or the network, made safe for a terminal and cut to 120 bytes. */
#define MS_CLI_NAME 128
struct ms_cli_name {
    char text[MS_CLI_NAME];
};
struct ms_cli_name ms_cli_name(const char *name);
#define ms_cli_safe(name_) (ms_cli_name(name_).text)
/* "1.5 MiB", "312 B" */
struct ms_cli_name ms_cli_size(uint64_t bytes);
#define ms_cli_bytes(n_) (ms_cli_size(n_).text)
/* s as a JSON string. */
void ms_cli_json(struct ms_buf *b, const char *s);
/* Prints the buffer on stdout; MS_EXIT_OK, or MS_EXIT_FAILED when it could not be made or written.
 */
int ms_cli_print(struct ms_cli *c, struct ms_buf *b);

/* One file each. */
extern const struct ms_cli_command ms_cmd_check, ms_cmd_deploy, ms_cmd_dump, ms_cmd_infer,
    ms_cmd_models, ms_cmd_profile, ms_cmd_rollback, ms_cmd_run, ms_cmd_show, ms_cmd_status,
    ms_cmd_store, ms_cmd_test, ms_cmd_undeploy;

#endif
