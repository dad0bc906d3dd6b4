/* SPDX-License-Identifier: Apache-2.0 */
#include "base/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/text.h"

#define DEFAULT_SECONDS 60u
#define MAX_ENVIRONMENT 32

struct pipes {
    int in[2], out[2], errors[2], exec[2];
};

static void pipes_close(struct pipes *pipes)
{
    int *all = (int *)pipes;

    for (size_t i = 0; i < sizeof(*pipes) / sizeof(int); i++) {
        drop_fd(&all[i]);
        all[i] = -1;
    }
}

static bool pipes_make(struct pipes *out, struct err *err)
{
    memset(out, 0xff, sizeof(*out));
    if (pipe2(out->in, O_CLOEXEC) != 0 || pipe2(out->out, O_CLOEXEC) != 0 ||
        pipe2(out->errors, O_CLOEXEC) != 0 || pipe2(out->exec, O_CLOEXEC) != 0) {
        int number = errno;

        pipes_close(out);
        return err_errno(err, number, "make pipes");
    }
    return true;
}

static void clean_environment(const struct run *run, const char *env[MAX_ENVIRONMENT + 4])
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    size_t n = 0;

    env[n++] = path;
    env[n++] = "LANG=C.UTF-8";
    env[n++] = "HOME=/root";
    for (size_t i = 0; run->environment && run->environment[i] && i < MAX_ENVIRONMENT; i++) {
        env[n++] = run->environment[i];
    }
    env[n] = NULL;
}

/* Between fork and exec: only async-signal-safe calls. */
static void become(const struct run *run, const char *const *env, const struct pipes *pipes,
                   pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(pipes->in[0], 0) < 0 || dup2(pipes->out[1], 1) < 0 ||
        dup2(pipes->errors[1], 2) < 0) {
        _exit(127);
    }
    if (env) {
        environ = (char **)(uintptr_t)env;
    }
    execvp(run->argv[0], (char *const *)(uintptr_t)run->argv);
    int number = errno;
    ssize_t ignored = write(pipes->exec[1], &number, sizeof(number));

    (void)ignored;
    _exit(127);
}

static bool start(const struct run *run, struct pipes *pipes, pid_t *out_pid, struct err *err)
{
    const char *env[MAX_ENVIRONMENT + 4];
    int number = 0;
    pid_t parent = getpid();

    clean_environment(run, env);
    pid_t pid = fork();
    if (pid == 0) {
        become(run, run->keep_environment ? NULL : env, pipes, parent);
    }
    if (pid < 0) {
        return err_errno(err, errno, "start '%s'", run->argv[0]);
    }
    drop_fd(&pipes->in[0]), drop_fd(&pipes->out[1]);
    drop_fd(&pipes->errors[1]), drop_fd(&pipes->exec[1]);
    pipes->in[0] = pipes->out[1] = pipes->errors[1] = pipes->exec[1] = -1;
    /* The pipe closes on exec; a number in it means there was none. */
    if (read(pipes->exec[0], &number, sizeof(number)) == (ssize_t)sizeof(number)) {
        waitpid(pid, NULL, 0);
        return err_errno(err, number, "start '%s'", run->argv[0]);
    }
    *out_pid = pid;
    return true;
}

struct talk {
    const struct run *run;
    size_t sent;
    bool secret_sent;
    struct text out, errors;
};

/* The input in pieces; the secret at the end goes straight from its locked memory to the pipe. */
static void feed(struct talk *talk, int *fd)
{
    const struct run *run = talk->run;
    struct err ignored;

    if (talk->sent < run->input_length) {
        ssize_t n = write(*fd, run->input + talk->sent, run->input_length - talk->sent);

        if (n > 0) {
            talk->sent += (size_t)n;
            return;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
    } else if (run->secret && !talk->secret_sent) {
        (void)fcntl(*fd, F_SETFL, 0);
        (void)secret_write(run->secret, *fd, &ignored);
        talk->secret_sent = true;
    }
    drop_fd(fd);
    *fd = -1;
}

static bool hear(int *fd, struct text *into, struct err *err)
{
    char piece[16384];
    ssize_t n = read(*fd, piece, sizeof(piece));

    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    if (n <= 0) {
        drop_fd(fd);
        *fd = -1;
        return true;
    }
    if (into->length + (size_t)n > RUN_MAX_OUTPUT) {
        return err_set(err, ERR_SYSTEM, "it said more than %u bytes", RUN_MAX_OUTPUT);
    }
    text_add_bytes(into, piece, (size_t)n);
    return true;
}

static bool converse(struct talk *talk, struct pipes *pipes, long long deadline, struct err *err)
{
    (void)fcntl(pipes->in[1], F_SETFL, O_NONBLOCK);
    while (pipes->out[0] >= 0 || pipes->errors[0] >= 0) {
        struct pollfd fds[] = {
            {pipes->in[1], POLLOUT, 0}, {pipes->out[0], POLLIN, 0}, {pipes->errors[0], POLLIN, 0}};
        long long left = deadline - clock_ms();

        if (left <= 0) {
            return err_set(err, ERR_AWAY, "no end within its time");
        }
        if (poll(fds, 3, (int)(left < 1000 ? left : 1000)) < 0 && errno != EINTR) {
            return err_errno(err, errno, "wait");
        }
        if (fds[0].revents) {
            feed(talk, &pipes->in[1]);
        }
        if ((fds[1].revents && !hear(&pipes->out[0], &talk->out, err)) ||
            (fds[2].revents && !hear(&pipes->errors[0], &talk->errors, err))) {
            return false;
        }
    }
    return true;
}

/* Its outputs are closed, so it is about to end; yet one that only closed them must not hold us. */
static int wait_for(pid_t pid, long long deadline)
{
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_ms() > deadline) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool run_program(const struct run *run, struct run_result *out, struct err *err)
{
    AUTO(pipes_close) struct pipes pipes;
    struct talk talk = {.run = run};
    long long deadline = clock_ms() + 1000LL * (run->seconds ? run->seconds : DEFAULT_SECONDS);
    pid_t pid = 0;

    if (!pipes_make(&pipes, err) || !start(run, &pipes, &pid, err)) {
        return false;
    }
    if (!converse(&talk, &pipes, deadline, err)) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        text_clear(&talk.out);
        text_clear(&talk.errors);
        return err_add(err, "run '%s'", run->argv[0]);
    }
    out->status = wait_for(pid, deadline);
    out->out_length = talk.out.length;
    out->out = text_take(&talk.out);
    out->errors = text_take(&talk.errors);
    return true;
}

static const char *last_line(char *text)
{
    size_t length = strlen(text);

    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' ')) {
        text[--length] = '\0';
    }
    const char *line = strrchr(text, '\n');

    return line ? line + 1 : text;
}

bool run_ok(const struct run *run, char **out, struct err *err)
{
    AUTO(drop_run_result) struct run_result result = {0};

    if (!run_program(run, &result, err)) {
        return false;
    }
    if (result.status != 0) {
        return err_set(err, ERR_SYSTEM, "'%s' ended with %d: %s", run->argv[0], result.status,
                       last_line(result.errors[0] ? result.errors : result.out));
    }
    if (out) {
        *out = TAKE(result.out);
    }
    return true;
}

void run_result_clear(struct run_result *result)
{
    free(result->out);
    free(result->errors);
    *result = (struct run_result){0};
}

/*
 * "Dies with us" (PR_SET_PDEATHSIG) means with the thread that forked. A child that shall outlive
 * the thread that asks for it is therefore started by a thread that never ends.
 */
struct order {
    const struct run *run;
    struct pipes *pipes;
    pid_t pid;
    struct err *err;
    bool taken, made, done;
};

static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t order_changed = PTHREAD_COND_INITIALIZER;
static struct order *order_now;

static void *starter(void *context)
{
    (void)context;
    pthread_mutex_lock(&order_lock);
    for (;;) {
        while (!order_now || order_now->taken) {
            pthread_cond_wait(&order_changed, &order_lock);
        }
        struct order *order = order_now;

        order->taken = true;
        order->made = start(order->run, order->pipes, &order->pid, order->err);
        order->done = true;
        order_now = NULL;
        pthread_cond_broadcast(&order_changed);
    }
    return NULL;
}

static pthread_once_t starter_once = PTHREAD_ONCE_INIT;
static int starter_failed;

static void starter_begin(void)
{
    pthread_t thread;

    starter_failed = pthread_create(&thread, NULL, starter, NULL);
    if (!starter_failed) {
        pthread_detach(thread);
    }
}

static bool start_lasting(const struct run *run, struct pipes *pipes, pid_t *out_pid,
                          struct err *err)
{
    struct order order = {.run = run, .pipes = pipes, .err = err};

    pthread_once(&starter_once, starter_begin);
    if (starter_failed) {
        return err_errno(err, starter_failed, "start a thread");
    }
    pthread_mutex_lock(&order_lock);
    while (order_now) {
        pthread_cond_wait(&order_changed, &order_lock);
    }
    order_now = &order;
    pthread_cond_broadcast(&order_changed);
    while (!order.done) {
        pthread_cond_wait(&order_changed, &order_lock);
    }
    pthread_mutex_unlock(&order_lock);
    *out_pid = order.pid;
    return order.made;
}

static void pass_through(int *fd, int ours)
{
    drop_fd(fd);
    *fd = fcntl(ours, F_DUPFD_CLOEXEC, 3);
}

bool child_start(const struct run *run, bool with_pipes, struct child *out, struct err *err)
{
    AUTO(pipes_close) struct pipes pipes;
    pid_t pid = 0;

    if (!pipes_make(&pipes, err)) {
        return false;
    }
    pass_through(&pipes.errors[1], 2);
    if (!with_pipes) {
        AUTO(drop_fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        pass_through(&pipes.in[0], null);
        pass_through(&pipes.out[1], null);
    }
    if (!start_lasting(run, &pipes, &pid, err)) {
        return false;
    }
    *out = (struct child){.pid = pid, .to = -1, .from = -1};
    if (with_pipes) {
        out->to = TAKE_FD(pipes.in[1]);
        out->from = TAKE_FD(pipes.out[0]);
    }
    return true;
}

void child_stop(struct child *child)
{
    if (child->pid <= 0) {
        return;
    }
    drop_fd(&child->to);
    drop_fd(&child->from);
    kill(child->pid, SIGTERM);
    (void)wait_for(child->pid, clock_ms() + 1000);
    *child = (struct child){.pid = 0, .to = -1, .from = -1};
}
