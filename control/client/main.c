/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weir: speaks to the router by the programs that people know. `weir ip`, `weir tc` and `weir bridge` are the installed
 * iproute2 with a library preloaded that takes their netlink sockets to the router, `weir iptables` the legacy iptables
 * likewise; `weir exec` does that for any program.
 *
 * Exit status: the program's own; else 0 done, 1 failed, 2 wrong usage.
 */
#include <elf.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/client.h"
#include "client/locate.h"
#include "shim/namespace.h"
#include "shim/programs.h"
#include "shim/trace.h"

static const char usage_text[] =
	"usage: weir [--socket PATH] VERB ...\n"
	"\n"
	"  weir ip|tc|bridge ARGS...             iproute2, acting on the router\n"
	"  weir iptables[-save|-restore] ARGS... iptables-legacy, acting on the router\n"
	"  weir exec [--isolate] CMD ARGS...     any program or script; its ip, tc and iptables act on the router\n"
	"  weir sysctl [-n] [-a] KEY[=VALUE]...  settings by their Linux names: net.ipv4.conf.eth0.rp_filter=1\n"
	"  weir show [WHAT [--json]]             reports of the router; without WHAT: which there are\n"
	"  weir save                             the running configuration, as a script for weird --config\n"
	"  weir replay ARGS...                   the router over captures, in virtual time (weir replay --help)\n"
	"  weir version\n"
	"  weir help\n"
	"\n"
	"The router's socket is /run/weir/weir.sock for root, else $XDG_RUNTIME_DIR/weir.sock; --socket or "
	"WEIR_SOCKET\n"
	"name another.\n"
	"\n"
	"What weir exec runs sees the host's files, processes and network as ever; only what configures the network "
	"goes to\n"
	"the router. A program that is statically linked or setuid does not load the library and would act on the "
	"host:\n"
	"--isolate runs the command in an empty network namespace of its own, where that harms nobody.\n";

int
client_fail(const struct error *err)
{
	fprintf(stderr, "weir: %s\n", err->msg[0] != '\0' ? err->msg : strerror(err->code));
	return 1;
}

int
client_usage(const char *format, const char *what)
{
	fprintf(stderr, "weir: ");
	fprintf(stderr, format, what);
	fprintf(stderr, "\nTry 'weir help'.\n");
	return 2;
}

/* What the environment of a program under the shim is. */
int
client_prepare_environment(struct error *err)
{
	char preload[4 * PATH_MAX], path[PATH_MAX];
	int code = shim_preload(preload, sizeof(preload), err);

	if (code != 0)
		return code;
	code = router_socket_path(path, sizeof(path));
	if (code == -ENOENT)
		return error_set(err, ENOENT,
			"where is the router's socket? Set WEIR_SOCKET (or XDG_RUNTIME_DIR), or give --socket");
	if (code != 0)
		return error_set(err, ENAMETOOLONG, "the socket's path is too long");
	setenv("LD_PRELOAD", preload, 1);
	setenv("WEIR_SOCKET", path, 1);
	unsetenv(NAMESPACE_VARIABLE);
	return 0;
}

static int
write_file(const char *path, const char *text, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int failed = fd < 0 || write(fd, text, strlen(text)) < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return failed == 0 ? 0 : error_set(err, failed, "--isolate: %s: %s", path, strerror(failed));
}

/*
 * An empty network namespace (network_namespaces(7)). Without root that takes a user namespace too, in which the user
 * is root; the router sees the real user nevertheless.
 */
static int
isolate(struct error *err)
{
	bool root = geteuid() == 0;
	char users[64], groups[64];
	int code = 0;

	/* Said now: within the new namespace nobody has a number until these are written. */
	snprintf(users, sizeof(users), "0 %u 1", geteuid());
	snprintf(groups, sizeof(groups), "0 %u 1", getegid());
	if (unshare(CLONE_NEWNET | (root ? 0 : CLONE_NEWUSER)) != 0)
		return error_set(err, errno, "--isolate: cannot make a network namespace: %s", strerror(errno));
	if (!root) {
		code = write_file("/proc/self/uid_map", users, err);
		if (code == 0)
			code = write_file("/proc/self/setgroups", "deny", err);
		if (code == 0)
			code = write_file("/proc/self/gid_map", groups, err);
	}
	return code;
}

static int
run(const char *path, char **argv)
{
	struct error err = { 0 };

	if (client_prepare_environment(&err) != 0)
		return client_fail(&err);
	execvp(path, argv); /* which runs a script without #! by sh */
	error_set(&err, errno, "%s: %s", path, strerror(errno));
	return client_fail(&err);
}

static int
run_iproute2(int argc, char **argv)
{
	char path[PATH_MAX];
	struct error err = { 0 };

	if (locate_program(argv[0], path, &err) != 0) {
		error_set(&err, ENOENT, "%s is not there; it is part of iproute2 (Debian: apt install iproute2)",
			argv[0]);
		return client_fail(&err);
	}
	return run(path, argv);
}

int
client_locate_iptables(char path[PATH_MAX], struct error *err)
{
	if (locate_program("xtables-legacy-multi", path, err) == 0)
		return 0;
	return error_set(
		err, ENOENT, "iptables-legacy is not there; it is part of iptables (Debian: apt install iptables)");
}

static int
run_iptables(int argc, char **argv)
{
	char path[PATH_MAX];
	struct error err = { 0 };

	return client_locate_iptables(path, &err) == 0 ? run(path, argv) : client_fail(&err);
}

/*
 * A program that would not load the library would act on the host, and its user not know. Only of the command itself
 * can that be told beforehand; scripts have no interpreter line of ELF's and pass.
 */
static int
check_preloads(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool interpreted = false;
	struct stat status;
	Elf64_Ehdr elf;
	Elf64_Phdr segment;

	if (fd < 0)
		return 0; /* may be run without being read, and execve says what else is wrong */
	if (read(fd, &elf, sizeof(elf)) != (ssize_t)sizeof(elf) || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
		elf.e_ident[EI_CLASS] != ELFCLASS64 || fstat(fd, &status) != 0) {
		close(fd);
		return 0;
	}
	for (unsigned int i = 0; i < elf.e_phnum; i++)
		if (pread(fd, &segment, sizeof(segment), (off_t)(elf.e_phoff + i * sizeof(segment))) ==
			(ssize_t)sizeof(segment))
			interpreted |= segment.p_type == PT_INTERP;
	close(fd);
	if (!interpreted)
		return error_set(err, ENOEXEC,
			"%s is statically linked: it would act on the host, not on the router (exec --isolate keeps it "
			"from both)",
			path);
	if ((status.st_mode & S_ISUID) != 0 && status.st_uid != getuid())
		return error_set(err, ENOEXEC,
			"%s is setuid: it would act on the host, not on the router (exec --isolate keeps it from both)",
			path);
	return 0;
}

/* They run programs in an environment without the library; shim/exec.c refuses them in scripts. */
static bool
is_clean_runner(const char *path)
{
	static const char *const names[] = { "sudo", "doas", "pkexec", NULL };

	return program_is_one_of(program_name(path), names);
}

static bool
is_script(const char *path)
{
	char start[2] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd >= 0 ? read(fd, start, sizeof(start)) : -1;

	if (fd >= 0)
		close(fd);
	return bytes == (ssize_t)sizeof(start) && start[0] == '#' && start[1] == '!';
}

/* For the shim, which names the line that fails: the script of `sh [-x] script ...` or `./script ...`. */
static void
name_script(const char *path, char **argv)
{
	static const char *const shells[] = { "sh", "dash", "bash", "ksh", "zsh" };
	const char *slash = strrchr(path, '/');
	const char *script = NULL;
	char absolute[PATH_MAX], value[PATH_MAX + 64];
	struct stat status;

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if (strcmp(slash != NULL ? slash + 1 : path, shells[i]) == 0)
			for (script = *++argv; script != NULL && script[0] == '-'; script = *++argv)
				if (strchr(script, 'c') != NULL)
					return; /* -c: the text itself */
	if (script == NULL && is_script(path))
		script = path;
	if (script == NULL || realpath(script, absolute) == NULL || fstat(STDERR_FILENO, &status) != 0)
		return;
	snprintf(value, sizeof(value), "%ju:%ju:%s", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino, absolute);
	setenv(TRACE_SCRIPT_VARIABLE, value, 1);
}

static int
run_any(int argc, char **argv)
{
	struct error err = { 0 };
	bool isolated = argv[1] != NULL && strcmp(argv[1], "--isolate") == 0;
	char path[PATH_MAX], legacy[PATH_MAX];

	argv += isolated ? 2 : 1;
	if (argv[0] != NULL && strcmp(argv[0], "--") == 0)
		argv++;
	else if (argv[0] != NULL && argv[0][0] == '-')
		return client_usage("exec: there is no option '%s'; the command comes after 'exec'", argv[0]);
	if (argv[0] == NULL)
		return client_usage("%s: a command is missing, as in 'weir exec sh script.sh'", "exec");
	if (strchr(argv[0], '/') != NULL)
		snprintf(path, sizeof(path), "%s", argv[0]);
	else if (locate_program(argv[0], path, &err) != 0)
		return client_fail(&err);
	if (is_clean_runner(path)) {
		error_set(&err, EACCES,
			"exec: %s would act on the host, not on the router; put it in front: %s weir exec ...", argv[0],
			argv[0]);
		return client_fail(&err);
	}
	if (program_loads_modules(path, argv))
		return 0; /* as in a script: shim/exec.c */
	if (program_find_legacy(path, legacy))
		snprintf(path, sizeof(path), "%s", legacy);
	if (isolated ? isolate(&err) != 0 : check_preloads(path, &err) != 0)
		return client_fail(&err);
	name_script(path, argv);
	return run(path, argv);
}

static int
run_replay(int argc, char **argv)
{
	char path[PATH_MAX];
	struct error err = { 0 };

	if (locate_replay(path, &err) != 0)
		return client_fail(&err);
	execv(path, argv);
	error_set(&err, errno, "%s: %s", path, strerror(errno));
	return client_fail(&err);
}

static int
print_version(int argc, char **argv)
{
	if (argc > 1)
		return client_usage("version: takes no arguments, and '%s' is one", argv[1]);
	printf("weir %s\n", WEIR_VERSION);
	return 0;
}

static int
print_help(int argc, char **argv)
{
	fputs(usage_text, stdout);
	return 0;
}

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "ip", run_iproute2 },
	{ "tc", run_iproute2 },
	{ "bridge", run_iproute2 },
	{ "iptables", run_iptables },
	{ "iptables-save", run_iptables },
	{ "iptables-restore", run_iptables },
	{ "exec", run_any },
	{ "sysctl", client_sysctl },
	{ "show", client_show },
	{ "save", client_save },
	{ "replay", run_replay },
	{ "version", print_version },
	{ "--version", print_version },
	{ "-V", print_version },
	{ "help", print_help },
	{ "--help", print_help },
	{ "-h", print_help },
};

/* A path that holds for programs in other directories too. */
static int
name_socket(const char *path)
{
	char absolute[2 * PATH_MAX], directory[PATH_MAX];

	if (path == NULL || path[0] == '\0')
		return client_usage("%s: the socket's path is missing", "--socket");
	if (path[0] == '/')
		snprintf(absolute, sizeof(absolute), "%s", path);
	else if (getcwd(directory, sizeof(directory)) != NULL)
		snprintf(absolute, sizeof(absolute), "%s/%s", directory, path);
	else
		return client_fail(&(struct error){ .code = errno });
	setenv("WEIR_SOCKET", absolute, 1);
	return 0;
}

int
main(int argc, char **argv)
{
	static const char option[] = "--socket=";
	const char *socket_path = getenv("WEIR_SOCKET");
	int at = 1, code;

	while (at < argc && strncmp(argv[at], "--socket", 8) == 0) {
		if (strncmp(argv[at], option, sizeof(option) - 1) == 0)
			socket_path = argv[at] + sizeof(option) - 1;
		else if (strcmp(argv[at], "--socket") == 0)
			socket_path = at + 1 < argc ? argv[++at] : "";
		else
			break;
		at++;
		code = name_socket(socket_path);
		if (code != 0)
			return code;
	}
	if (socket_path != NULL && socket_path[0] != '\0' && name_socket(socket_path) != 0)
		return 1;
	if (at >= argc) {
		fputs(usage_text, stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[at], verbs[i].name) == 0)
			return verbs[i].run(argc - at, argv + at);
	return client_usage(argv[at][0] == '-' ? "there is no option '%s'" : "there is no verb '%s'", argv[at]);
}
