/*
 * A crawler that fetches pages at the same time with a library that knows nothing of us: libcurl's
 * blocking calls, in a green for each page. The server, in the same program, answers nobody before
 * all of them have asked, so one fetch after the other would wait for ever.
 */
#include <green/event.h>
#include <green/green.h>
#include <green/server.h>

#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGES 8

static struct green_event *all_have_asked;
static int asked;
static int most;
static int open_requests;

/* A request of one packet, and an answer with a length. */
static void answer(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
    char request[2000];
    size_t n = 0;
    ssize_t got;
    (void)peer;
    (void)len;
    (void)arg;
    while ((got = read(fd, request + n, sizeof(request) - 1 - n)) > 0) {
        n += (size_t)got;
        request[n] = '\0';
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    int page = 0;
    if (sscanf(request, "GET /page/%d ", &page) != 1)
        return;
    most = ++open_requests > most ? open_requests : most;
    if (++asked == PAGES)
        green_event_set(all_have_asked);
    green_event_wait(all_have_asked, GREEN_FOREVER);
    open_requests--;
    char body[64];
    int size = snprintf(body, sizeof(body), "this is page %d", page);
    dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", size, body);
}

struct page {
    int number;
    int port;
    size_t size;
    char text[100];
};

static size_t keep(char *data, size_t size, size_t n, void *arg)
{
    struct page *p = arg;
    size_t room = sizeof(p->text) - 1 - p->size;
    size_t take = size * n < room ? size * n : room;
    memcpy(p->text + p->size, data, take);
    p->size += take;
    return size * n;
}

static void *fetch(void *arg)
{
    struct page *p = arg;
    char url[100];
    CURL *curl = curl_easy_init();
    if (!curl)
        return NULL;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/page/%d", p->port, p->number);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, p);
    CURLcode rc = curl_easy_perform(curl);
    if (rc != CURLE_OK)
        snprintf(p->text, sizeof(p->text), "%s", curl_easy_strerror(rc));
    curl_easy_cleanup(curl);
    return p;
}

int main(void)
{
    struct green_server_options options = {.listen = "127.0.0.1:0", .handle = answer};
    struct green_server *server;
    struct greenlet *g[PAGES];
    struct page page[PAGES];
    all_have_asked = green_event_new();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (green_server_new(&options, &server) || green_server_start(server))
        return 1;
    for (int i = 0; i < PAGES; i++) {
        page[i] = (struct page){.number = i + 1, .port = green_server_port(server)};
        green_spawn(fetch, &page[i], &g[i]);
    }
    green_joinall(g, PAGES, NULL, 0, 0, GREEN_FOREVER);
    for (int i = 0; i < PAGES; i++) {
        printf("%s\n", page[i].text);
        green_unref(g[i]);
    }
    printf("requests open at once: %d\n", most);
    green_server_stop(server, 0);
    green_server_free(server);
    green_event_free(all_have_asked);
    curl_global_cleanup();
    return 0;
}
