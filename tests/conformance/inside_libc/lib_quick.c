/* A library that is quickly loaded. */
int quick_value = 5;
