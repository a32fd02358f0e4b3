/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - resource limits and a seccomp filter.
 *
 * The filter is an allow list of what malloc, memory mapping, time and exit need. Everything else
 * fails with EPERM, since the C library may try this or that and can do without; what only somebody
 * who has taken the process over would try ends it. */
#include "server/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define MS_SANITIZED 1
#endif
#endif

static ms_code limit(int resource, rlim_t value, const char *what, struct ms_err *err)
{
    /* Beyond the soft bound on CPU time comes SIGXCPU, beyond the hard one SIGKILL. */
    struct rlimit r = {value, value + (resource == RLIMIT_CPU)};
    struct rlimit now;

    /* Never more than there is already. */
    if (getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_max < r.rlim_max) {
        r.rlim_max = now.rlim_max;
        r.rlim_cur = value < now.rlim_max ? value : now.rlim_max;
    }
    if (setrlimit((__rlimit_resource_t)resource, &r) != 0)
        return ms_fail(err, MS_UNAVAILABLE, "sandbox: %s: %s", what, strerror(errno));
    return MS_OK;
}

#if defined(__x86_64__) && !defined(MS_SANITIZED)

#define ALLOW(nr_)                                                                                 \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr_), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL(nr_)                                                                                  \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr_), 0, 1),                                              \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

static ms_code filter_calls(struct ms_err *err)
{
    static const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_read),
        ALLOW(SYS_write),
        ALLOW(SYS_mmap),
        ALLOW(SYS_munmap),
        ALLOW(SYS_mremap),
        ALLOW(SYS_mprotect),
        ALLOW(SYS_madvise),
        ALLOW(SYS_brk),
        ALLOW(SYS_futex),
        ALLOW(SYS_close),
        ALLOW(SYS_fstat),
        ALLOW(SYS_newfstatat),
        ALLOW(SYS_lseek),
        ALLOW(SYS_clock_gettime),
        ALLOW(SYS_getrandom),
        ALLOW(SYS_getpid),
        ALLOW(SYS_gettid),
        ALLOW(SYS_tgkill), /* abort() */
        ALLOW(SYS_rt_sigaction),
        ALLOW(SYS_rt_sigprocmask),
        ALLOW(SYS_rt_sigreturn),
        ALLOW(SYS_sched_yield),
        ALLOW(SYS_sched_getaffinity),
        ALLOW(SYS_exit),
        ALLOW(SYS_exit_group),
        ALLOW(SYS_sysinfo), /* qsort() asks how much memory there is */
        KILL(SYS_execve),
        KILL(SYS_execveat),
        KILL(SYS_fork),
        KILL(SYS_vfork),
        KILL(SYS_clone),
        KILL(SYS_clone3),
        KILL(SYS_socket),
        KILL(SYS_connect),
        KILL(SYS_ptrace),
        KILL(SYS_kill),
        KILL(SYS_process_vm_readv),
        KILL(SYS_process_vm_writev),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, (struct sock_filter *)code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return ms_fail(err, MS_UNAVAILABLE, "sandbox: no_new_privs: %s", strerror(errno));
    /* A kernel without seccomp is no reason to refuse models: the limits hold all the same. */
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0 && errno != EINVAL)
        return ms_fail(err, MS_UNAVAILABLE, "sandbox: seccomp: %s", strerror(errno));
    return MS_OK;
}

#else

static ms_code filter_calls(struct ms_err *err)
{
    (void)err;
    return MS_OK;
}

#endif

ms_code ms_sandbox_enter(size_t address_space, unsigned cpu_seconds, struct ms_err *err)
{
    MS_TRY(limit(RLIMIT_CPU, cpu_seconds, "CPU time", err));
    MS_TRY(limit(RLIMIT_CORE, 0, "core size", err));
#ifndef MS_SANITIZED
    MS_TRY(limit(RLIMIT_FSIZE, 0, "file size", err));
    MS_TRY(limit(RLIMIT_AS, address_space, "address space", err));
#else
    (void)address_space;
#endif
    return filter_calls(err);
}
