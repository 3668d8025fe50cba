/* Any function as a greenlet, with arguments and a result of its own types. */
#include <green/call.h>
#include <green/green.h>
#include <stdio.h>
#include <stdlib.h>

struct point {
    double x, y;
};

static int greet(const char *whom, double seconds)
{
    printf("Hello, %s\n", whom);
    green_sleep((int64_t)(seconds * GREEN_S(1)));
    return printf("Bye, %s\n", whom);
}

static struct point scale(struct point p, int by)
{
    return (struct point){p.x * by, p.y * by};
}

int main(void)
{
    struct greenlet *g[4];
    struct point p = {1, 2.5};
    int n;
    double root;
    size_t at;

    green_spawn_call(&g[0], greet, "i(sd)", "world", 0.02);
    green_spawn_call(&g[1], greet, "i(sd)", "moon", 0.01);
    green_spawn_call(&g[2], strtod, "d(sp)", "1.4142", NULL);
    green_spawn_call(&g[3], scale, "{dd}({dd}i)", &p, 3);
    green_joinall(g, 4, NULL, 0, 0, GREEN_FOREVER);

    green_call_get(g[0], &n, sizeof(n), 0);
    green_call_get(g[2], &root, sizeof(root), 0);
    green_call_get(g[3], &p, sizeof(p), 0);
    printf("%d bytes, %.4f, (%g, %g)\n", n, root, p.x, p.y);
    for (int i = 0; i < 4; i++)
        green_unref(g[i]);

    const char *wrong = "i(sx)";
    if (green_spawn_call(NULL, greet, wrong, "nobody", 0) < 0) {
        const char *why = green_signature_error(wrong, &at);
        printf("\"%s\": %s at %zu\n", wrong, why, at);
    }
    return 0;
}
