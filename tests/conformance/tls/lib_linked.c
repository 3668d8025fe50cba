/* A library with TLS of both models, linked by linked_library. */
__thread int linked_gd = 11;
__thread __attribute__((tls_model("initial-exec"))) int linked_ie = 22;
static __thread char linked_text[40] = "linked";

int *linked_gd_address(void);
int *linked_ie_address(void);
char *linked_text_address(void);

int *linked_gd_address(void)
{
    return &linked_gd;
}

int *linked_ie_address(void)
{
    return &linked_ie;
}

char *linked_text_address(void)
{
    return linked_text;
}
