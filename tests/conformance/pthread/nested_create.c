/* Threads that create threads that create threads, and are joined by others than their makers. */
#include "testlib.h"

struct node {
    int depth;
    int leaves;
    pthread_t child[3];
};

static void *body(void *arg)
{
    struct node *node = arg;
    struct node sub[3];

    if (node->depth == 0) {
        usleep(500);
        node->leaves = 1;
        return node;
    }
    for (int i = 0; i < 3; i++) {
        sub[i] = (struct node){.depth = node->depth - 1};
        node->child[i] = start(body, &sub[i]);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(finish(node->child[i]) == &sub[i]);
        node->leaves += sub[i].leaves;
    }
    return node;
}

static pthread_t handed_over;

static void *maker(void *arg)
{
    static struct node leaf;

    (void)arg;
    handed_over = start(body, &leaf);
    return &leaf;
}

int test_main(void)
{
    struct node root = {.depth = 5};

    CHECK(finish(start(body, &root)) == &root);
    CHECK_EQ(root.leaves, 243);
    void *leaf = finish(start(maker, NULL));
    CHECK(finish(handed_over) == leaf);
    return 0;
}
