"""Our own seccomp profile: what Docker's default allows without capabilities, less what attacks on kernels begin with.

An allow-list for x86-64 with its 32-bit mode. Names that an engine's libseccomp does not know are passed over by runc.
Left out of Docker's default: io_uring, sockets of AF_VSOCK (to a virtual machine's host), ptrace, kernel keys,
userfaultfd, bpf, perf events, and `socketcall`, by which a 32-bit program would open any socket unseen. The self-test
tries each.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

AF_VSOCK = 40
_ENOSYS = 38
_EPERM = 1
# Namespaces: mount, cgroup, uts, ipc, user, pid, net.
_CLONE_NEW = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
# Linux, no randomisation, and their 32-bit forms; 0xffffffff asks which.
_PERSONALITIES = (0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_FILES = """
access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync
fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64
futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
ioctl lchown lchown32 lgetxattr link linkat listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat
lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2 pwrite64
pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir
sendfile sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range
syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev
"""
_MEMORY = """
brk cachestat get_mempolicy madvise map_shadow_stack mbind membarrier memfd_create memfd_secret mincore mlock mlock2
mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
process_mrelease remap_file_pages set_mempolicy set_mempolicy_home_node shmat shmctl shmdt shmget
"""
_PROCESSES = """
alarm arch_prctl capget capset execve execveat exit exit_group fork get_robust_list get_thread_area getcpu getegid
getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getpriority getresgid
getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid getuid getuid32 ioprio_get ioprio_set kill
landlock_add_rule landlock_create_ruleset landlock_restrict_self modify_ldt pause pidfd_open pidfd_send_signal prctl
prlimit64 process_vm_readv process_vm_writev restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask
rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
sched_yield seccomp set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid
setgid32 setgroups setgroups32 setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32
setreuid setreuid32 setrlimit setsid setuid setuid32 sigaltstack signalfd signalfd4 sigprocmask sigreturn sysinfo tgkill
times tkill ugetrlimit uname vfork wait4 waitid waitpid
"""
_WAITING = """
adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
epoll_wait_old eventfd eventfd2 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake getitimer getrandom
gettimeofday io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit nanosleep
_newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select setitimer time timer_create timer_delete
timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
timerfd_gettime64 timerfd_settime timerfd_settime64
"""
_TALKING = """
accept accept4 bind connect getpeername getsockname getsockopt ipc listen mq_getsetattr mq_notify mq_open
mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2
recv recvfrom recvmmsg recvmmsg_time64 recvmsg semctl semget semop semtimedop semtimedop_time64 send sendmmsg sendmsg
sendto setsockopt shutdown socketpair
"""
ALLOWED = tuple(f"{_FILES}{_MEMORY}{_PROCESSES}{_WAITING}{_TALKING}".split())


@cache
def seccomp_profile() -> str:
    """Return the profile as the JSON that an engine takes in `security_opt`."""
    rules = [
        {"names": list(ALLOWED), "action": "SCMP_ACT_ALLOW"},
        _allowed_where("socket", "SCMP_CMP_NE", AF_VSOCK),
        _allowed_where("clone", "SCMP_CMP_MASKED_EQ", _CLONE_NEW, 0),
        # glibc and others go back to clone() from "no such call", but from no other error.
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
        *(_allowed_where("personality", "SCMP_CMP_EQ", value) for value in _PERSONALITIES),
    ]
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
        "syscalls": rules,
    }
    return json.dumps(profile)


def _allowed_where(name: str, operation: str, value: int, value_two: int = 0) -> dict[str, Any]:
    """Return a rule that allows a call by its first argument."""
    argument = {"index": 0, "value": value, "valueTwo": value_two, "op": operation}
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [argument]}
