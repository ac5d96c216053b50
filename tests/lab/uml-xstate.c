/*
 * Loaded before user-mode-linux on processors with AMX (with-esp-kernel does it).
 *
 * To set a task's extended registers, ptrace wants the processor's whole state, 11,008 octets where there is AMX.
 * user-mode-linux 6.1 has room for 2,696, the state of AVX-512 and protection keys, and panics at its first task when the
 * call fails with EFAULT. Nothing inside the lab uses AMX (a task must ask its kernel first, and that one knows no AMX), so
 * its short state is handed on at full length, with what is missing marked as unused.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Offset of XSTATE_BV, the bit mask of the components in use, and the two bits of AMX in it. */
enum { XSTATE_BV = 512 };
#define XSTATE_AMX (UINT64_C(3) << 17)

static unsigned char whole[65536] __attribute__((aligned(64)));
static size_t whole_length;

long ptrace(enum __ptrace_request request, ...)
{
	static long (*next)(enum __ptrace_request, ...);
	struct iovec *given, full;
	uint64_t used;
	va_list arguments;
	pid_t task;
	void *address, *data;

	va_start(arguments, request);
	task = va_arg(arguments, pid_t);
	address = va_arg(arguments, void *);
	data = va_arg(arguments, void *);
	va_end(arguments);
	if (next == NULL)
		next = (long (*)(enum __ptrace_request, ...))dlsym(RTLD_NEXT, "ptrace");
	if (request != PTRACE_SETREGSET || address != (void *)NT_X86_XSTATE)
		return next(request, task, address, data);

	/* Reading tells how long the state is, once for all tasks: it comes with every system call and page fault inside. */
	full.iov_base = whole;
	full.iov_len = sizeof whole;
	if (whole_length == 0 && next(PTRACE_GETREGSET, task, address, &full) == 0) {
		whole_length = full.iov_len;
		memset(whole, 0, sizeof whole);
	}
	given = data;
	if (whole_length <= given->iov_len)
		return next(request, task, address, data);
	full.iov_len = whole_length;
	memcpy(whole, given->iov_base, given->iov_len);
	memcpy(&used, whole + XSTATE_BV, sizeof used);
	used &= ~XSTATE_AMX;
	memcpy(whole + XSTATE_BV, &used, sizeof used);
	return next(request, task, address, &full);
}
