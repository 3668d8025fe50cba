/* SCM_RIGHTS: a descriptor passed to a blocked recvmsg works, with cloexec when asked for. */
#include "testlib.h"

#include <fcntl.h>
#include <sys/socket.h>

static int fds[2];

static void send_fd(int socket, int fd)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {"F", 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof(int));
    CHECK_EQ(sendmsg(socket, &msg, 0), 1);
}

static int recv_fd(int socket, int flags)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte[10];
    struct iovec iov = {byte, sizeof(byte)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    int fd;

    CHECK_EQ(recvmsg(socket, &msg, flags), 1);
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    CHECK(head && head->cmsg_type == SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(head), sizeof(int));
    return fd;
}

static void *sender(void *arg)
{
    int pair[2];

    for (int i = 0; i < 20; i++) {
        usleep(2000);
        pipe_pair(pair);
        send_fd(fds[1], pair[0]);
        SYS(close(pair[0]));
        usleep(1000);
        write_all(pair[1], "through", 7);
        SYS(close(pair[1]));
    }
    return arg;
}

int test_main(void)
{
    char text[20] = "";

    unix_pair(fds);
    pthread_t thread = start(sender, NULL);
    for (int i = 0; i < 20; i++) {
        int fd = recv_fd(fds[0], i % 2 ? MSG_CMSG_CLOEXEC : 0);
        CHECK_EQ(SYS(fcntl(fd, F_GETFD)), i % 2 ? FD_CLOEXEC : 0);
        CHECK(!is_nonblock(fd));
        read_all(fd, text, 7); /* blocks until it is written */
        CHECK_STR(text, "through");
        CHECK_EQ(read(fd, text, 1), 0);
        SYS(close(fd));
    }
    finish(thread);

    /* messages with descriptors are not merged with what follows */
    int null = (int)SYS(open("/dev/null", O_RDONLY));
    send_fd(fds[1], null);
    send_fd(fds[1], null);
    write_all(fds[1], "plain", 5);
    close(recv_fd(fds[0], 0));
    close(recv_fd(fds[0], 0));
    CHECK_EQ(read(fds[0], text, sizeof(text)), 5);
    return 0;
}
