/* Each input function of stdio on a pipe, a socket, a FIFO and a terminal waits for its data, which
   comes in two parts, while other threads run. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <wchar.h>

static void fifo_pair(int fds[2])
{
    unlink("fifo");
    SYS(mkfifo("fifo", 0600));
    int hold = (int)SYS(open("fifo", O_RDWR));
    fds[0] = (int)SYS(open("fifo", O_RDONLY));
    fds[1] = (int)SYS(open("fifo", O_WRONLY));
    SYS(close(hold));
}

/* fds[1] is the master: what is written there is typed. */
static void pty_pair(int fds[2])
{
    struct termios mode;

    fds[1] = (int)SYS(posix_openpt(O_RDWR | O_NOCTTY));
    SYS(grantpt(fds[1]));
    SYS(unlockpt(fds[1]));
    fds[0] = (int)SYS(open(ptsname(fds[1]), O_RDWR | O_NOCTTY));
    SYS(tcgetattr(fds[0], &mode));
    mode.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    SYS(tcsetattr(fds[0], TCSANOW, &mode));
}

static void use_fgets(FILE *file)
{
    char line[32];

    CHECK(fgets(line, sizeof(line), file));
    CHECK_STR(line, "one 23\n");
}

static void use_getline(FILE *file)
{
    char *line = NULL;
    size_t size = 0;

    CHECK_EQ(getline(&line, &size, file), 7);
    CHECK_STR(line, "one 23\n");
    free(line);
}

static void use_getdelim(FILE *file)
{
    char *line = NULL;
    size_t size = 0;

    CHECK_EQ(getdelim(&line, &size, '3', file), 6);
    CHECK_STR(line, "one 23");
    free(line);
    CHECK_EQ(getc(file), '\n');
}

static void use_fread(FILE *file)
{
    char data[8] = "";

    CHECK_EQ(fread(data, 1, 7, file), 7);
    CHECK_STR(data, "one 23\n");
}

static void use_fread_unlocked(FILE *file)
{
    char data[8] = "";

    CHECK_EQ(fread_unlocked(data, 1, 7, file), 7);
    CHECK_STR(data, "one 23\n");
}

static void use_getc(FILE *file)
{
    for (const char *at = "one 23\n"; *at; at++)
        CHECK_EQ(at[0] == '2' ? fgetc(file) : getc(file), *at);
}

static void use_getc_unlocked(FILE *file)
{
    for (const char *at = "one 23\n"; *at; at++)
        CHECK_EQ(getc_unlocked(file), *at);
}

static void use_fscanf(FILE *file)
{
    char word[8], end;
    int number;

    CHECK_EQ(fscanf(file, "%7s %d%c", word, &number, &end), 3);
    CHECK_STR(word, "one");
    CHECK_EQ(number, 23);
    CHECK_EQ(end, '\n');
}

static void use_fgetws(FILE *file)
{
    wchar_t line[32];

    CHECK(fgetws(line, 32, file));
    CHECK(wcscmp(line, L"one 23\n") == 0);
}

static void use_fwscanf(FILE *file)
{
    int number;

    CHECK_EQ(fwscanf(file, L"one %d", &number), 1);
    CHECK_EQ(number, 23);
    CHECK_EQ(getwc(file), L'\n');
}

static void use_unbuffered(FILE *file)
{
    CHECK_EQ(setvbuf(file, NULL, _IONBF, 0), 0);
    use_fgets(file);
}

static void use_ungetc(FILE *file)
{
    CHECK_EQ(getc(file), 'o');
    CHECK_EQ(ungetc('O', file), 'O');
    CHECK_EQ(getc(file), 'O');
    CHECK_EQ(ungetc('o', file), 'o');
    use_fgets(file);
    CHECK_ERRNO(fseek(file, 0, SEEK_SET), ESPIPE);
}

static void *two_parts(void *arg)
{
    int fd = *(int *)arg;

    sleep_ms(20);
    write_all(fd, "one", 3);
    sleep_ms(20);
    write_all(fd, " 23\n", 4);
    return NULL;
}

int test_main(void)
{
    static void (*const pairs[])(int *) = {pipe_pair, unix_pair, tcp_pair, fifo_pair, pty_pair};
    static void (*const uses[])(FILE *) = {
        use_fgets,  use_getline,       use_getdelim,   use_fread,  use_getc,   use_fread_unlocked,
        use_fscanf, use_getc_unlocked, use_unbuffered, use_ungetc, use_fgetws, use_fwscanf,
    };
    static const char *const modes[] = {"r", "re", "rc", "rm"};

    for (int p = 0; p < 5; p++) {
        pthread_t thread;
        int fds[2];

        pairs[p](fds);
        for (size_t u = 0; u < sizeof(uses) / sizeof(uses[0]); u++) {
            FILE *file = fdopen(dup(fds[0]), modes[u % 4]);

            CHECK(file);
            TAKES(40, {
                thread = start(two_parts, &fds[1]);
                uses[u](file);
            });
            finish(thread);
            CHECK(!feof(file) && !ferror(file));
            CHECK_EQ(fclose(file), 0);
        }
        FILE *file = fdopen(fds[0], "r");
        OTHERS_RUN(300, {
            thread = write_after(fds[1], "one 23\n", 300);
            use_fgets(file);
        });
        finish(thread);
        SYS(close(fds[1]));
        CHECK_EQ(getc(file), EOF);
        fclose(file);
    }
    return 0;
}
