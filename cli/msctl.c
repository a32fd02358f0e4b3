/* SPDX-License-Identifier: Apache-2.0 */
/* msctl.c - the table of commands, and the way in. */
#include "cli/msctl.h"

#include "config.h"

#include <signal.h>
#include <string.h>

static const struct ms_cli_command *const commands[] = {
    &ms_cmd_deploy, &ms_cmd_models,  &ms_cmd_show,  &ms_cmd_undeploy, &ms_cmd_rollback,
    &ms_cmd_infer,  &ms_cmd_status,  &ms_cmd_store, &ms_cmd_check,    &ms_cmd_dump,
    &ms_cmd_run,    &ms_cmd_profile, &ms_cmd_test,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const struct ms_cli_option no_options[] = {{0}};
/* What global options that stand before the command belong to. */
static const struct ms_cli_command top = {.name = NULL, .options = no_options};

static void help(FILE *out)
{
    fprintf(out,
            "usage: msctl [OPTION]... COMMAND [ARGUMENT]...\n"
            "Puts models into a mindserve daemon, asks it, and runs models in this process.\n\n"
            "commands (msctl COMMAND --help tells more):\n");
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->help);
    fprintf(out, "\n"
                 "options of every command:\n"
                 "  --server ADDR      HOST:PORT or unix:PATH of the daemon's gRPC (default\n"
                 "                     $MINDSERVE_SERVER, else the admin socket, else "
                 "127.0.0.1:8001)\n"
                 "  --token-file FILE  bearer token\n"
                 "  --ca FILE          TLS, with these roots; --cert FILE --key FILE: and this "
                 "certificate\n"
                 "  -o text|json       form of the result\n"
                 "  -q                 no progress\n"
                 "\n"
                 "exit codes: 0 done, 1 refused or failed, 2 bad usage, 3 server not reachable\n");
}

static const struct ms_cli_command *find(const char *name)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run_command(struct ms_cli *c)
{
    if (asks_help(c->argc - c->at, c->argv + c->at)) {
        ms_cli_help(c->command, stdout);
        return MS_EXIT_OK;
    }
    return c->command->run(c);
}

int main(int argc, char **argv)
{
    struct ms_cli c = {.command = &top, .argc = argc - 1, .argv = argv + 1};
    int what;

    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, a closed socket a gRPC error */
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
                     strcmp(argv[1], "help") == 0)) {
        help(stdout);
        return MS_EXIT_OK;
    }
    if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
        printf("msctl %s\n", PACKAGE_VERSION);
        return MS_EXIT_OK;
    }
    what = ms_cli_next(&c);
    if (what == MS_CLI_END)
        ms_cli_usage(&c, "no command given; msctl --help lists them");
    if (what != MS_CLI_WORD)
        return MS_EXIT_USAGE;
    c.command = find(c.value);
    if (!c.command) {
        c.command = &top;
        return ms_cli_usage(&c, "there is no command '%s'; msctl --help lists them",
                            ms_cli_safe(c.value));
    }
    return run_command(&c);
}
