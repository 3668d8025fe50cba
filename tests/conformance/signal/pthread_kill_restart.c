/* pthread_kill with SA_RESTART: read, recv, accept and mutex waits of that thread go on. */
#include "testlib.h"

#include <signal.h>
#include <sys/socket.h>

static int fds[2], listener, caught, done;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int go;

static void on_signal(int sig)
{
    (void)sig;
    flag_add(&caught, 1);
}

static void *body(void *arg)
{
    int what = (int)(intptr_t)arg;

    if (what == 0)
        CHECK_EQ(read(fds[0], &(char){0}, 1), 1);
    else if (what == 1)
        CHECK_EQ(recv(fds[0], &(char){0}, 1, 0), 1);
    else if (what == 2)
        SYS(accept(listener, NULL, NULL));
    else if (what == 3) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    } else {
        pthread_mutex_lock(&mutex);
        while (!go)
            CHECK_RC(pthread_cond_wait(&cond, &mutex), 0);
        pthread_mutex_unlock(&mutex);
    }
    flag_add(&done, 1);
    return NULL;
}

int test_main(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    uint16_t port;

    unix_pair(fds);
    listener = tcp_listen(5, &port);
    SYS(sigaction(SIGUSR1, &action, NULL));
    for (intptr_t what = 0; what < 5; what++) {
        flag_set(&caught, 0);
        flag_set(&done, 0);
        if (what == 3)
            pthread_mutex_lock(&mutex);
        pthread_t thread = start(body, (void *)what);
        settle();
        for (int i = 0; i < 3; i++) {
            CHECK_RC(pthread_kill(thread, SIGUSR1), 0);
            flag_wait(&caught, i + 1);
        }
        settle();
        CHECK_EQ(flag_get(&done), 0);
        if (what < 2)
            write_all(fds[1], "x", 1);
        else if (what == 2)
            close(tcp_connect(port));
        else if (what == 3)
            pthread_mutex_unlock(&mutex);
        else {
            pthread_mutex_lock(&mutex);
            go = 1;
            pthread_cond_signal(&cond);
            pthread_mutex_unlock(&mutex);
        }
        finish(thread);
    }
    return 0;
}
