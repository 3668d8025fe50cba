/* dlopen'ed: initial-exec TLS. */
static __thread __attribute__((tls_model("initial-exec"))) int value = 321;
static __thread __attribute__((tls_model("initial-exec"))) char text[24] = "ie initial";

int *dl_value(void);
char *dl_text(void);

int *dl_value(void)
{
    return &value;
}

char *dl_text(void)
{
    return text;
}
