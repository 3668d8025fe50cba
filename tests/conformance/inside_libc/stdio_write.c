/* Each output function of stdio waits for room in a full pipe or socket, while other threads run;
   what is read is what was written. */
/* The waits are inside libc, where --no-deep leaves them alone: they block every thread. */
/* MODES: native native-bg green green-bg off */
#include "testlib.h"

#include <wchar.h>

static char text[3001];
static wchar_t wide_text[3001];

static void use_fwrite(FILE *file)
{
    CHECK_EQ(fwrite(text, 1, 3000, file), 3000);
    CHECK_EQ(fflush(file), 0);
}

static void use_fputs(FILE *file)
{
    CHECK_GE(fputs(text, file), 0);
    CHECK_EQ(fflush(file), 0);
}

static void use_fprintf(FILE *file)
{
    CHECK_EQ(fprintf(file, "%.1000s%s", text, text + 1000), 3000);
    CHECK_EQ(fflush(file), 0);
}

static void use_putc(FILE *file)
{
    setvbuf(file, NULL, _IOFBF, 16);
    for (int i = 0; i < 3000; i++)
        CHECK_EQ(i % 2 ? putc(text[i], file) : putc_unlocked(text[i], file), text[i]);
}

static void use_unbuffered(FILE *file)
{
    setvbuf(file, NULL, _IONBF, 0);
    CHECK_EQ(fprintf(file, "%s", text), 3000);
}

static void use_line_buffered(FILE *file)
{
    setvbuf(file, NULL, _IOLBF, 0);
    CHECK_EQ(fwrite(text, 1, 3000, file), 3000); /* ends with a newline */
}

static void use_fclose(FILE *file)
{
    CHECK_EQ(fwrite(text, 1, 3000, file), 3000);
}

static void use_fputws(FILE *file)
{
    CHECK_GE(fputws(wide_text, file), 0);
    CHECK_EQ(fflush(file), 0);
}

static void use_fwprintf(FILE *file)
{
    CHECK_EQ(fwprintf(file, L"%ls", wide_text), 3000);
}

static void use_dprintf(FILE *file)
{
    CHECK_EQ(dprintf(fileno(file), "%s", text), 3000);
}

/* puts and printf on standard output itself */
static void use_stdout(FILE *file)
{
    fflush(stdout);
    int saved = (int)SYS(dup(1));

    SYS(dup2(fileno(file), 1));
    printf("%.2000s", text);
    text[2999] = '\0';
    CHECK_GE(puts(text + 2000), 0);
    text[2999] = '\n';
    CHECK_EQ(fflush(stdout), 0);
    SYS(dup2(saved, 1));
    SYS(close(saved));
}

static void check(const struct sink *sink, size_t before, size_t count)
{
    CHECK_EQ(sink->size, before + count * 3000);
    for (size_t i = 0; i < before; i++)
        CHECK_EQ(sink->data[i], 'x');
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(memcmp(sink->data + before + i * 3000, text, 3000), 0);
}

int test_main(void)
{
    static void (*const pairs[])(int *) = {pipe_pair, unix_pair};
    static void (*const uses[])(FILE *) = {
        use_fwrite, use_fputs,  use_fprintf,  use_putc,    use_unbuffered, use_line_buffered,
        use_fclose, use_fputws, use_fwprintf, use_dprintf, use_stdout,
    };
    struct sink sink;
    int fds[2];

    for (int i = 0; i < 3000; i++)
        wide_text[i] = text[i] = i % 100 == 99 ? '\n' : (char)('a' + i % 26);
    for (int p = 0; p < 2; p++) {
        for (size_t u = 0; u < sizeof(uses) / sizeof(uses[0]); u++) {
            pairs[p](fds);
            size_t before = fill_fd(fds[1]);
            FILE *file = fdopen(fds[1], "w");
            CHECK(file);
            TAKES(50, {
                sink_start(&sink, fds[0], 50);
                uses[u](file);
                CHECK_EQ(fclose(file), 0);
            });
            sink_finish(&sink);
            check(&sink, before, 1);
            free(sink.data);
        }
        pairs[p](fds);
        size_t before = fill_fd(fds[1]);
        FILE *file = fdopen(fds[1], "w");
        OTHERS_RUN(300, {
            sink_start(&sink, fds[0], 300);
            for (int i = 0; i < 100; i++)
                use_fputs(file);
        });
        fclose(file);
        sink_finish(&sink);
        check(&sink, before, 100);
        free(sink.data);
    }
    return 0;
}
