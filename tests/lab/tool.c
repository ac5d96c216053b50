// What the suites do most often, in one program without libraries: under user-mode-linux the start of a program costs some
// 20 to 80 ms of processor time, most of it for the dynamic linker's pages and for the fork before it.
//
//   tool in NAMESPACE COMMAND [ARG …]                 like `ip netns exec`, without its mounts
//   tool set {NAMESPACE[,NAMESPACE…] PATH=VALUE …} …  writes below /proc/sys
//   tool links DEVICE NAMESPACE …                     whether DEVICE has its link-local address in each
//   tool ping NAMESPACE ADDRESS SECONDS SIZE …        one echo of each payload size, one after the other
//   tool call NAMESPACE ADDRESS [SOURCE]              an echo every 2 ms until TERM, whatever becomes of them, and from whatever
//                                                     address the system chooses for each; says every now and then, and at its
//                                                     end, how many it has tried to send and how many the system took
//   tool udp NAMESPACE ADDRESS PORT TEXT              one datagram
//   tool holds FILE TEXT                              whether FILE, of whatever octets, has TEXT in it
//   tool tcp FROM TO ADDRESS PORT MEGABYTES SECONDS   random octets from namespace to namespace, compared on arrival
//   tool flood NAMESPACE ADDRESS SECONDS SIZE         echoes, eight on the way at a time; says how many were sent and answered
//   tool flow FROM TO ADDRESS PORT SECONDS            octets without end, compared on arrival; says how many arrived
//
// Exit status: 0 as wished; 1 not so, and why stands on standard output; 2 the call or the system failed.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/icmp6.h>
#include <linux/icmp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
  fprintf(stderr, "tool: %s: %s\n", what, strerror(errno));
  exit(2);
}

static void usage(void) {
  fputs("tool: see the head of tests/lab/tool.c\n", stderr);
  exit(2);
}

static void enter(const char *namespace) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", namespace);
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 || setns(descriptor, CLONE_NEWNET) != 0) die(path);
  close(descriptor);
}

static long long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

// Waits for EVENTS on a descriptor until DEADLINE; whether they came.
static int ready(int descriptor, short events, long long deadline) {
  struct pollfd one = {.fd = descriptor, .events = events};
  long long left = deadline - milliseconds();
  int came = poll(&one, 1, left > 0 ? (int)left : 0);
  if (came < 0 && errno != EINTR) die("poll");
  return came > 0;
}

static struct sockaddr_storage address_of(const char *text, int port, socklen_t *length) {
  struct sockaddr_storage storage = {0};
  struct sockaddr_in *four = (struct sockaddr_in *)&storage;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&storage;
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    *length = sizeof *four;
  } else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    *length = sizeof *six;
  } else {
    errno = EINVAL;
    die(text);
  }
  return storage;
}

static int run_in(int count, char **words) {
  if (count < 2) usage();
  enter(words[0]);
  execvp(words[1], words + 1);
  die(words[1]);
  return 2;
}

static int set(int count, char **words) {
  const char *namespaces = NULL;
  for (int i = 0; i < count; i++) {
    char *equals = strchr(words[i], '=');
    if (!equals) {
      namespaces = words[i];
      continue;
    }
    if (!namespaces) usage();
    *equals = 0;
    char path[256], list[1024], *rest = list, *name;
    snprintf(path, sizeof path, "/proc/sys/%s", words[i]);
    snprintf(list, sizeof list, "%s", namespaces);
    while ((name = strsep(&rest, ","))) {
      enter(name);
      int descriptor = open(path, O_WRONLY);
      if (descriptor < 0 || write(descriptor, equals + 1, strlen(equals + 1)) < 0) die(path);
      close(descriptor);
    }
  }
  return 0;
}

static int links(int count, char **words) {
  for (int i = 1; i < count; i++) {
    char address[64], device[64];
    unsigned scope, flags;
    int found = 0;
    enter(words[i]);
    FILE *file = fopen("/proc/net/if_inet6", "r");
    if (!file) die("/proc/net/if_inet6");
    while (fscanf(file, "%63s %*s %*s %x %x %63s", address, &scope, &flags, device) == 4)
      found |= scope == 0x20 && !strcmp(device, words[0]);
    fclose(file);
    if (!found) {
      printf("%s in %s has no link-local address\n", words[0], words[i]);
      return 1;
    }
  }
  return 0;
}

// RFC 1071.
static unsigned short checksum(const unsigned char *octets, size_t length) {
  unsigned sum = 0;
  for (size_t i = 0; i < length; i++) sum += i % 2 ? octets[i] : octets[i] << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(~sum & 0xffff);
}

static unsigned char sent[65536], received[65536];

// A raw socket for echoes with ADDRESS; SIX says whether they are ICMPv6's. What is too long for the way may go in pieces.
static int echo_socket(const char *address, int *six) {
  socklen_t length;
  struct sockaddr_storage target = address_of(address, 0, &length);
  *six = target.ss_family == AF_INET6;
  int one = socket(target.ss_family, SOCK_RAW, *six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  // Answers alone: the other end's own echoes would fill the queue.
  struct icmp_filter wanted4 = {~(1u << ICMP_ECHOREPLY)};
  struct icmp6_filter wanted6;
  ICMP6_FILTER_SETBLOCKALL(&wanted6);
  ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &wanted6);
  int discover = *six ? IPV6_PMTUDISC_DONT : IP_PMTUDISC_DONT;
  if (one < 0 || setsockopt(one, *six ? IPPROTO_IPV6 : IPPROTO_IP, *six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &discover, sizeof discover) != 0 ||
      (*six ? setsockopt(one, IPPROTO_ICMPV6, ICMP6_FILTER, &wanted6, sizeof wanted6) : setsockopt(one, SOL_RAW, ICMP_FILTER, &wanted4, sizeof wanted4)) != 0 ||
      connect(one, (struct sockaddr *)&target, length) != 0)
    die(address);
  return one;
}

// Fills `sent` with an echo.
static void echo_make(int six, unsigned sequence, size_t payload) {
  struct icmphdr *head = (struct icmphdr *)sent;
  if (8 + payload > sizeof sent) usage();
  memset(head, 0, 8);
  head->type = six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
  head->un.echo.id = htons(getpid() & 0xffff);
  head->un.echo.sequence = htons(sequence & 0xffff);
  for (size_t at = 0; at < payload; at++) sent[8 + at] = at;
  // The kernel does it for ICMPv6.
  if (!six) head->checksum = checksum(sent, 8 + payload);
}

static ssize_t echo_send(int one, int six, unsigned sequence, size_t payload) {
  echo_make(six, sequence, payload);
  return send(one, sent, 8 + payload, 0);
}

// Receives a packet; its sequence number if it is the whole answer to one of ours, else -1.
static int echo_receive(int one, int six, size_t payload) {
  ssize_t got = recv(one, received, sizeof received, 0);
  // Of errors that earlier packets came back with, the deadline will tell.
  if (got < 0) return -1;
  size_t before = six ? 0 : (received[0] & 15) * 4u;
  struct icmphdr *reply = (struct icmphdr *)(received + before);
  if ((size_t)got != before + 8 + payload || reply->type != (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ||
      reply->un.echo.id != htons(getpid() & 0xffff) || memcmp(received + before + 8, sent + 8, payload))
    return -1;
  return ntohs(reply->un.echo.sequence);
}

static int ping(int count, char **words) {
  int six;
  if (count < 4) usage();
  enter(words[0]);
  int one = echo_socket(words[1], &six);
  for (int i = 3; i < count; i++) {
    size_t payload = strtoul(words[i], NULL, 10);
    long long deadline = milliseconds() + 1000 * atoll(words[2]);
    if (echo_send(one, six, i, payload) < 0) {
      printf("%s octets: %s\n", words[i], strerror(errno));
      return 1;
    }
    do {
      if (!ready(one, POLLIN, deadline)) {
        printf("%s octets: no answer in %s s\n", words[i], words[2]);
        return 1;
      }
    } while (echo_receive(one, six, payload) != i);
  }
  return 0;
}

static volatile sig_atomic_t called_off;

static void call_off(int signal) {
  (void)signal;
  called_off = 1;
}

// A line in one piece: whoever reads along never finds half of one.
static void tell_calls(unsigned long long tried, unsigned long long taken) {
  dprintf(STDOUT_FILENO, "tried %llu sent %llu\n", tried, taken);
}

static int call(int count, char **words) {
  enum { PAYLOAD = 56, NANOSECONDS = 2000000, TELL_EACH = 20 };
  if (count < 2 || count > 3) usage();
  enter(words[0]);
  socklen_t length;
  struct sockaddr_storage source, target = address_of(words[1], 0, &length);
  int six = target.ss_family == AF_INET6, one = socket(target.ss_family, SOCK_RAW, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  // Nobody reads an answer.
  struct icmp_filter unwanted4 = {~0u};
  struct icmp6_filter unwanted6;
  ICMP6_FILTER_SETBLOCKALL(&unwanted6);
  if (one < 0 || (six ? setsockopt(one, IPPROTO_ICMPV6, ICMP6_FILTER, &unwanted6, sizeof unwanted6) : setsockopt(one, SOL_RAW, ICMP_FILTER, &unwanted4, sizeof unwanted4)) != 0)
    die("an echo");
  if (count == 3) {
    source = address_of(words[2], 0, &length);
    if (bind(one, (struct sockaddr *)&source, length) != 0) die(words[2]);
  }
  struct timespec pause = {.tv_nsec = NANOSECONDS};
  struct sigaction action = {.sa_handler = call_off};
  if (sigaction(SIGTERM, &action, NULL) != 0) die("TERM");
  unsigned long long tried = 0, taken = 0;
  while (!called_off) {
    echo_make(six, (unsigned)tried, PAYLOAD);
    // Not connected: the source is chosen anew each time. Refusals are what a session's end looks like from here.
    taken += sendto(one, sent, 8 + PAYLOAD, 0, (struct sockaddr *)&target, length) >= 0;
    if (++tried % TELL_EACH == 0) tell_calls(tried, taken);
    nanosleep(&pause, NULL);
  }
  tell_calls(tried, taken);
  return 0;
}

static int flood(int count, char **words) {
  enum { WINDOW = 8, PATIENCE = 5000 };
  static unsigned char waiting[65536];
  if (count != 4) usage();
  enter(words[0]);
  int six, one = echo_socket(words[1], &six);
  size_t payload = strtoul(words[3], NULL, 10);
  unsigned long long out = 0, in = 0, open = 0, twice = 0;
  long long end = milliseconds() + 1000 * atoll(words[2]), answered = milliseconds();
  while (milliseconds() < end || open) {
    while (open < WINDOW && milliseconds() < end) {
      waiting[out & 0xffff] = 1;
      if (echo_send(one, six, out, payload) < 0) die("an echo");
      out++, open++;
    }
    if (ready(one, POLLIN, answered + PATIENCE)) {
      int sequence = echo_receive(one, six, payload);
      if (sequence < 0) continue;
      if (!waiting[sequence]) twice++;
      else in++, open--;
      waiting[sequence] = 0;
      answered = milliseconds();
    } else {
      open = 0, answered = milliseconds();
    }
  }
  printf("sent %llu answered %llu twice %llu\n", out, in, twice);
  return in != out;
}

static int udp(int count, char **words) {
  if (count != 4) usage();
  enter(words[0]);
  socklen_t length;
  struct sockaddr_storage target = address_of(words[1], atoi(words[2]), &length);
  int one = socket(target.ss_family, SOCK_DGRAM, 0);
  if (one < 0 || sendto(one, words[3], strlen(words[3]), 0, (struct sockaddr *)&target, length) < 0) die(words[1]);
  return 0;
}

static int holds(int count, char **words) {
  if (count != 2) usage();
  int file = open(words[0], O_RDONLY);
  off_t length = file < 0 ? -1 : lseek(file, 0, SEEK_END);
  if (length < 0) die(words[0]);
  char *octets = malloc(length + 1);
  if (!octets) die("memory");
  ssize_t got = pread(file, octets, length, 0);
  return got <= 0 || !memmem(octets, got, words[1], strlen(words[1]));
}

// The fate of a copy that does not come to its end.
static int broken(const char *what, size_t done) {
  printf("%s after %zu octets: %s\n", what, done, errno ? strerror(errno) : "time is up");
  return 1;
}

// A connection from a socket in one namespace to one in another.
static int connection(char **words, long long deadline, int buffer, int *from, int *to) {
  socklen_t length;
  struct sockaddr_storage target = address_of(words[2], atoi(words[3]), &length);
  int yes = 1;
  enter(words[1]);
  int listener = socket(target.ss_family, SOCK_STREAM, 0);
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      (buffer && setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) != 0) ||
      bind(listener, (struct sockaddr *)&target, length) != 0 || listen(listener, 1) != 0)
    die("listening");
  enter(words[0]);
  *from = socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (*from < 0) die("a socket");
  if (connect(*from, (struct sockaddr *)&target, length) != 0 && errno != EINPROGRESS) return broken("no connection", 0);
  errno = 0;
  if (!ready(listener, POLLIN, deadline)) return broken("no connection", 0);
  *to = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  if (*to < 0) die("accept");
  return 0;
}

static int tcp(int count, char **words) {
  if (count != 6) usage();
  size_t all = strtoul(words[4], NULL, 10) << 20, put_in = 0, come = 0;
  unsigned char *octets = malloc(all), *arrived = malloc(all + 1);
  if (!octets || !arrived) die("memory");
  for (size_t at = 0; at < all;) {
    ssize_t got = getrandom(octets + at, all - at, 0);
    if (got < 0) die("getrandom");
    at += got;
  }
  long long deadline = milliseconds() + 1000 * atoll(words[5]);
  int from, to;
  if (connection(words, deadline, 0, &from, &to)) return 1;
  for (;;) {
    struct pollfd both[] = {{.fd = put_in < all ? from : -1, .events = POLLOUT}, {.fd = to, .events = POLLIN}};
    long long left = deadline - milliseconds();
    errno = 0;
    if (left <= 0 || poll(both, 2, (int)left) <= 0) return broken("the copy ended", come);
    if (both[0].revents) {
      ssize_t put = send(from, octets + put_in, all - put_in, MSG_NOSIGNAL);
      if (put < 0 && errno != EAGAIN) return broken("the sender failed", put_in);
      if (put > 0) put_in += put;
      if (put_in == all) shutdown(from, SHUT_WR);
    }
    if (both[1].revents) {
      // One octet more than there should be would be one too many.
      ssize_t got = recv(to, arrived + come, all + 1 - come, 0);
      if (got < 0 && errno != EAGAIN) return broken("the receiver failed", come);
      if (got == 0) break;
      if (got > 0) come += got;
      if (come > all) break;
    }
  }
  if (come != all || memcmp(octets, arrived, all)) {
    printf("what arrived (%zu octets) is not what was sent (%zu)\n", come, all);
    return 1;
  }
  return 0;
}

// The octet at a place of the endless stream; 251 is a prime, so that no shift of whole packets goes unseen.
static unsigned char octet_at(unsigned long long place) { return place % 251; }

static int flow(int count, char **words) {
  // Some 45 packets on the way at most: more than the queues of a lab kernel hold would be lost without anybody's fault.
  enum { BUFFER = 32768, STALL = 30000 };
  static unsigned char octets[BUFFER], arrived[BUFFER];
  if (count != 5) usage();
  unsigned long long put_in = 0, come = 0;
  long long end = milliseconds() + 1000 * atoll(words[4]);
  int from, to;
  if (connection(words, end, BUFFER, &from, &to)) return 1;
  for (int ended = 0;;) {
    if (!ended && milliseconds() >= end) shutdown(from, SHUT_WR), ended = 1;
    struct pollfd both[] = {{.fd = ended ? -1 : from, .events = POLLOUT}, {.fd = to, .events = POLLIN}};
    errno = 0;
    if (poll(both, 2, STALL) <= 0) return broken("the stream stalled", come);
    if (both[0].revents) {
      for (int at = 0; at < BUFFER; at++) octets[at] = octet_at(put_in + at);
      ssize_t put = send(from, octets, BUFFER, MSG_NOSIGNAL);
      if (put < 0 && errno != EAGAIN) return broken("the sender failed", put_in);
      if (put > 0) put_in += put;
    }
    if (both[1].revents) {
      ssize_t got = recv(to, arrived, BUFFER, 0);
      if (got < 0 && errno != EAGAIN) return broken("the receiver failed", come);
      if (got == 0) break;
      for (ssize_t at = 0; at < got; at++)
        if (arrived[at] != octet_at(come + at)) return broken("another octet came", come + at);
      if (got > 0) come += got;
    }
  }
  printf("sent %llu arrived %llu\n", put_in, come);
  return put_in != come;
}

int main(int count, char **words) {
  if (count < 2) usage();
  const char *what = words[1];
  count -= 2;
  words += 2;
  if (!strcmp(what, "in")) return run_in(count, words);
  if (!strcmp(what, "set")) return set(count, words);
  if (!strcmp(what, "links")) return links(count, words);
  if (!strcmp(what, "ping")) return ping(count, words);
  if (!strcmp(what, "call")) return call(count, words);
  if (!strcmp(what, "udp")) return udp(count, words);
  if (!strcmp(what, "holds")) return holds(count, words);
  if (!strcmp(what, "flood")) return flood(count, words);
  if (!strcmp(what, "flow")) return flow(count, words);
  if (!strcmp(what, "tcp")) return tcp(count, words);
  usage();
}
