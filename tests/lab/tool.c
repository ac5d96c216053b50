// What the suites do most often, in one program without libraries: under user-mode-linux the start of a program costs some
// 20 to 80 ms of processor time, most of it for the dynamic linker's pages and for the fork before it.
//
//   tool in NAMESPACE COMMAND [ARG …]                 like `ip netns exec`, without its mounts
//   tool set {NAMESPACE[,NAMESPACE…] PATH=VALUE …} …  writes below /proc/sys
//   tool links DEVICE NAMESPACE …                     whether DEVICE has its link-local address in each
//   tool ping NAMESPACE ADDRESS SECONDS SIZE …        one echo of each payload size, one after the other
//   tool udp NAMESPACE ADDRESS PORT TEXT              one datagram
//   tool holds FILE TEXT                              whether FILE, of whatever octets, has TEXT in it
//   tool tcp FROM TO ADDRESS PORT MEGABYTES SECONDS   random octets from namespace to namespace, compared on arrival
//
// Exit status: 0 as wished; 1 not so, and why stands on standard output; 2 the call or the system failed.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
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

static int ping(int count, char **words) {
  static unsigned char sent[65536], received[65536];
  if (count < 4) usage();
  enter(words[0]);
  socklen_t length;
  struct sockaddr_storage target = address_of(words[1], 0, &length);
  int six = target.ss_family == AF_INET6;
  int one = socket(target.ss_family, SOCK_RAW, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  if (one < 0) die("a raw socket");
  // What is too long for the way may go in pieces.
  int discover = six ? IPV6_PMTUDISC_DONT : IP_PMTUDISC_DONT;
  if (setsockopt(one, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &discover, sizeof discover) != 0)
    die("path MTU discovery");
  if (connect(one, (struct sockaddr *)&target, length) != 0) die(words[1]);
  for (int i = 3; i < count; i++) {
    size_t payload = strtoul(words[i], NULL, 10), whole = 8 + payload;
    if (whole > sizeof sent) usage();
    struct icmphdr *head = (struct icmphdr *)sent;
    memset(head, 0, 8);
    head->type = six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    head->un.echo.id = htons(getpid() & 0xffff);
    head->un.echo.sequence = htons(i);
    for (size_t at = 0; at < payload; at++) sent[8 + at] = at;
    // The kernel does it for ICMPv6.
    if (!six) head->checksum = checksum(sent, whole);
    long long deadline = milliseconds() + 1000 * atoll(words[2]);
    if (send(one, sent, whole, 0) < 0) {
      printf("%s octets: %s\n", words[i], strerror(errno));
      return 1;
    }
    for (int answered = 0; !answered;) {
      if (!ready(one, POLLIN, deadline)) {
        printf("%s octets: no answer in %s s\n", words[i], words[2]);
        return 1;
      }
      ssize_t got = recv(one, received, sizeof received, 0);
      // Of errors that earlier packets came back with, the deadline will tell.
      if (got < 0) continue;
      size_t before = six ? 0 : (received[0] & 15) * 4u;
      struct icmphdr *reply = (struct icmphdr *)(received + before);
      answered = (size_t)got == before + whole && reply->type == (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
                 reply->un.echo.id == head->un.echo.id && reply->un.echo.sequence == head->un.echo.sequence &&
                 !memcmp(received + before + 8, sent + 8, payload);
    }
  }
  return 0;
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

static int tcp(int count, char **words) {
  if (count != 6) usage();
  size_t all = strtoul(words[4], NULL, 10) << 20, sent = 0, received = 0;
  unsigned char *octets = malloc(all), *arrived = malloc(all + 1);
  if (!octets || !arrived) die("memory");
  for (size_t at = 0; at < all;) {
    ssize_t got = getrandom(octets + at, all - at, 0);
    if (got < 0) die("getrandom");
    at += got;
  }
  socklen_t length;
  struct sockaddr_storage target = address_of(words[2], atoi(words[3]), &length);
  long long deadline = milliseconds() + 1000 * atoll(words[5]);
  int yes = 1;
  enter(words[1]);
  int listener = socket(target.ss_family, SOCK_STREAM, 0);
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      bind(listener, (struct sockaddr *)&target, length) != 0 || listen(listener, 1) != 0)
    die("listening");
  enter(words[0]);
  int from = socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (from < 0) die("a socket");
  if (connect(from, (struct sockaddr *)&target, length) != 0 && errno != EINPROGRESS) return broken("no connection", 0);
  errno = 0;
  if (!ready(listener, POLLIN, deadline)) return broken("no connection", 0);
  int to = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  if (to < 0) die("accept");
  for (;;) {
    struct pollfd both[] = {{.fd = sent < all ? from : -1, .events = POLLOUT}, {.fd = to, .events = POLLIN}};
    long long left = deadline - milliseconds();
    errno = 0;
    if (left <= 0 || poll(both, 2, (int)left) <= 0) return broken("the copy ended", received);
    if (both[0].revents) {
      ssize_t put = send(from, octets + sent, all - sent, MSG_NOSIGNAL);
      if (put < 0 && errno != EAGAIN) return broken("the sender failed", sent);
      if (put > 0) sent += put;
      if (sent == all) shutdown(from, SHUT_WR);
    }
    if (both[1].revents) {
      // One octet more than there should be would be one too many.
      ssize_t got = recv(to, arrived + received, all + 1 - received, 0);
      if (got < 0 && errno != EAGAIN) return broken("the receiver failed", received);
      if (got == 0) break;
      if (got > 0) received += got;
      if (received > all) break;
    }
  }
  if (received != all || memcmp(octets, arrived, all)) {
    printf("what arrived (%zu octets) is not what was sent (%zu)\n", received, all);
    return 1;
  }
  return 0;
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
  if (!strcmp(what, "udp")) return udp(count, words);
  if (!strcmp(what, "holds")) return holds(count, words);
  if (!strcmp(what, "tcp")) return tcp(count, words);
  usage();
}
