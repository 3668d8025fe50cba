/* dlopen'ed: general dynamic TLS. */
static __thread int value = 321;
static __thread char text[24] = "ie initial";
static __thread char big[20000] = {1};

int *dl_value(void);
char *dl_text(void);

int *dl_value(void)
{
    value += big[0] - 1;
    return &value;
}

char *dl_text(void)
{
    return text;
}
