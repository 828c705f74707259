/*
 * Sends HTTP/1.1 requests at an even rate over kept connections and says how long answers took. A
 * request that finds no free connection waits, and the wait counts; a late timer of this program
 * does not. It must never send a request twice nor pass over an answer that is not as expected.
 *
 * Usage: load PORT FILE RATE SECONDS CONNECTIONS STATUS [times]
 *   FILE holds one whole request; RATE 0 sends the next when an answer is there. Prints one line of
 *   JSON, times in microseconds, on demand that of each answer. SIGTERM ends it before its time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, ANSWER_MAX = 65536, REQUEST_MAX = 65536, EVENTS = 64 };
/* Answers that are still out when the time is over get so long. */
static const int64_t GRACE_NS = 2000000000;

struct connection {
  int fd;
  int busy;
  int64_t since;
  int length;
  char answer[ANSWER_MAX];
};

static struct connection *connections;
static int idle[CONNECTIONS_MAX], idle_first, idle_count, connection_count;
static char request[REQUEST_MAX];
static int request_length, expected, timer, poller;
static uint32_t *samples;
static int64_t sample_count, sample_max, sent, failed, answered;

static volatile sig_atomic_t is_over;

static void be_over(int number) {
  (void)number;
  is_over = 1;
}

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void open_connection(int index, int port) {
  struct connection *c = &connections[index];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  int on = 1;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) die("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) != 0) die("epoll_ctl");
  c->busy = 0;
  c->length = 0;
}

static void release(int index) {
  connections[index].busy = 0;
  idle[(idle_first + idle_count++) % CONNECTIONS_MAX] = index;
}

/* A connection that failed is opened anew: one fault must not silence the rest of the run. */
static void fail(int index, int port) {
  if (connections[index].busy) failed++;
  close(connections[index].fd);
  open_connection(index, port);
}

static int send_one(int64_t since, int port) {
  if (idle_count == 0) return 0;
  int index = idle[idle_first];
  struct connection *c = &connections[index];
  idle_first = (idle_first + 1) % CONNECTIONS_MAX;
  idle_count--;
  c->busy = 1;
  c->length = 0;
  c->since = since;
  sent++;
  if (write(c->fd, request, request_length) != request_length) {
    fail(index, port);
    release(index);
  }
  return 1;
}

/* Length of the whole answer in the buffer, 0 while it is not all there. */
static int answer_length(const struct connection *c) {
  const char *end = memmem(c->answer, c->length, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  int head = (int)(end - c->answer) + 4, body = 0;
  for (const char *line = c->answer; line < end; line = strchr(line, '\n') + 1) {
    if (strncasecmp(line, "content-length:", 15) == 0) body = atoi(line + 15);
  }
  return c->length >= head + body ? head + body : 0;
}

static void receive(int index, int port) {
  struct connection *c = &connections[index];
  ssize_t got = read(c->fd, c->answer + c->length, ANSWER_MAX - 1 - c->length);
  if (got <= 0) {
    int was_busy = c->busy;
    fail(index, port);
    if (was_busy) release(index);
    return;
  }
  c->length += (int)got;
  c->answer[c->length] = 0;
  if (answer_length(c) == 0) return;
  answered++;
  if (atoi(c->answer + 9) != expected) failed++;
  if (sample_count < sample_max) samples[sample_count++] = (uint32_t)(now_ns() - c->since);
  release(index);
}

static void arm(int64_t at) {
  struct itimerspec when = {.it_value = {at / 1000000000LL, at % 1000000000LL}};
  if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) != 0) die("timerfd_settime");
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static double share(double part) {
  if (sample_count == 0) return 0;
  int64_t at = (int64_t)(part * sample_count);
  return samples[at < sample_count ? at : sample_count - 1] / 1000.0;
}

/* Sends what is due and answers when the next request is. */
static int64_t send_due(int64_t next, int64_t gap, int64_t end, int port) {
  /* Whether a request that was due has found every connection taken. */
  static int blocked;
  int64_t now = now_ns();
  if (gap == 0) {
    while (now < end && send_one(now, port)) continue;
    return end;
  }
  for (; next <= now && next < end; next += gap) {
    /* With a connection free all the while, lateness is this program's own. */
    blocked = !send_one(blocked ? next : now, port);
    if (blocked) return next;
  }
  return next;
}

static void run(double rate, double seconds, int port) {
  struct epoll_event events[EVENTS];
  int64_t start = now_ns(), end = start + (int64_t)(seconds * 1e9), next = start;
  int64_t gap = rate > 0 ? (int64_t)(1e9 / rate) : 0;
  for (;;) {
    next = send_due(next, gap, end, port);
    int64_t now = now_ns();
    if (is_over && now < end) end = now;
    if (now >= end && (idle_count == connection_count || now >= end + GRACE_NS)) break;
    /* A blocked request goes out with an answer; the timer is then only for the end. */
    arm(now >= end ? now + 10000000 : next > now ? next : now + 1000000);
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      uint64_t ticks;
      if (events[i].data.u32 != CONNECTIONS_MAX) receive(events[i].data.u32, port);
      else if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN) die("timer");
    }
  }
  failed += connection_count - idle_count;
}

static void prepare(const char *file, double rate, double seconds) {
  FILE *from = fopen(file, "rb");
  if (from == NULL) die(file);
  request_length = (int)fread(request, 1, REQUEST_MAX, from);
  fclose(from);
  sample_max = (int64_t)((rate > 0 ? rate : 200000) * seconds) + 1000;
  samples = malloc(sample_max * sizeof *samples);
  connections = calloc(connection_count, sizeof *connections);
  poller = epoll_create1(0);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = CONNECTIONS_MAX};
  if (samples == NULL || connections == NULL || poller < 0 || timer < 0) die("prepare");
  /* Touched now, so that no page is fetched while time is taken. */
  memset(samples, 1, sample_max * sizeof *samples);
  if (epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event) != 0) die("epoll_ctl");
}

int main(int argc, char **argv) {
  if (argc != 7 && !(argc == 8 && strcmp(argv[7], "times") == 0)) {
    fprintf(stderr, "usage: load PORT FILE RATE SECONDS CONNECTIONS STATUS [times]\n");
    return 2;
  }
  signal(SIGTERM, be_over);
  int port = atoi(argv[1]);
  double rate = atof(argv[3]), seconds = atof(argv[4]);
  connection_count = atoi(argv[5]);
  expected = atoi(argv[6]);
  if (connection_count < 1 || connection_count > CONNECTIONS_MAX) return 2;
  prepare(argv[2], rate, seconds);
  for (int i = 0; i < connection_count; i++) {
    open_connection(i, port);
    release(i);
  }
  run(rate, seconds, port);
  qsort(samples, sample_count, sizeof *samples, ascending);
  printf("{\"sent\":%lld,\"answered\":%lld,\"failed\":%lld,\"p50\":%.1f,\"p90\":%.1f,"
         "\"p99\":%.1f,\"p999\":%.1f,\"worst\":%.1f",
         (long long)sent, (long long)answered, (long long)failed, share(0.5), share(0.9),
         share(0.99), share(0.999), share(1));
  if (argc == 8) {
    printf(",\"times\":[");
    for (int64_t i = 0; i < sample_count; i++) printf(i == 0 ? "%u" : ",%u", samples[i] / 1000);
    printf("]");
  }
  printf("}\n");
  return 0;
}
