/* uselocale is per thread, and a new thread starts with the global locale. */
#include "testlib.h"

#include <ctype.h>
#include <langinfo.h>
#include <locale.h>
#include <wchar.h>

static locale_t utf8;

static void *with_utf8(void *arg)
{
    int id = (int)(intptr_t)arg;

    CHECK(uselocale(NULL) == LC_GLOBAL_LOCALE);
    CHECK_STR(nl_langinfo(CODESET), "ANSI_X3.4-1968");
    for (int i = 0; i < 20; i++) {
        int want = (id + i) % 2;

        uselocale(want ? utf8 : LC_GLOBAL_LOCALE);
        usleep(500);
        CHECK_STR(nl_langinfo(CODESET), want ? "UTF-8" : "ANSI_X3.4-1968");
        CHECK_EQ(MB_CUR_MAX, want ? 6 : 1);

        wchar_t wide = 0;
        mbstate_t state;
        memset(&state, 0, sizeof(state));
        CHECK_EQ(mbrtowc(&wide, "\xc3\xa9", 2, &state), want ? 2 : -1);
        CHECK(isalpha('a') && !isalpha('1') && toupper('q') == 'Q');
    }
    uselocale(utf8); /* left set at the end of the thread */
    return NULL;
}

int test_main(void)
{
    pthread_t threads[10];

    utf8 = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
    if (!utf8)
        test_skip("no C.UTF-8 locale");
    for (int round = 0; round < 3; round++) {
        for (intptr_t i = 0; i < 10; i++)
            threads[i] = start(with_utf8, (void *)i);
        for (int i = 0; i < 10; i++)
            finish(threads[i]);
    }
    CHECK(uselocale(NULL) == LC_GLOBAL_LOCALE);
    CHECK_STR(nl_langinfo(CODESET), "ANSI_X3.4-1968");
    freelocale(utf8);
    return 0;
}
