// What the suites do most often, in one program without libraries: under user-mode-linux the start of a program costs some
// 20 to 80 ms of processor time, most of it for the dynamic linker's pages and for the fork before it.
//
//   tool in NAMESPACE COMMAND [ARG …]                 like `ip netns exec`, without its mounts
//   tool set {NAMESPACE[,NAMESPACE…] PATH=VALUE …} …  writes below /proc/sys
//   tool lay NAMESPACE[,NAMESPACE…] {wire NAMESPACE DEVICE ADDRESS/LENGTH NAMESPACE DEVICE ADDRESS/LENGTH | via NAMESPACE GATEWAY} …
//                                                     makes namespaces, as `ip netns add`, with their loopback up and addresses
//                                                     that are usable at once; pairs of veth, up; default routes. Of IPv4
//   tool links DEVICE NAMESPACE …                     whether DEVICE has its link-local address in each
//   tool ping NAMESPACE ADDRESS SECONDS SIZE …        one echo of each payload size, one after the other
//   tool call NAMESPACE ADDRESS [SOURCE]              an echo every 2 ms until TERM, whatever becomes of them, and from whatever
//                                                     address the system chooses for each; says every now and then, and at its
//                                                     end, how many it has tried to send and how many the system took
//   tool udp NAMESPACE ADDRESS PORT TEXT [SOURCE]     one datagram
//   tool holds FILE TEXT                              whether FILE, of whatever octets, has TEXT in it
//   tool capture NAMESPACE FILE LENGTH                the first octets of every packet of all devices, as `tcpdump -i any -w` writes
//                                                     them, until TERM; says `listening` once it has begun
//   tool saw FILE PREFIX/LENGTH …                     three numbers: packets of such a capture with an address of these networks,
//                                                     packets of ESP without UDP, and packets of ESP in UDP
//   tool tcp FROM TO ADDRESS PORT MEGABYTES SECONDS   random octets from namespace to namespace, compared on arrival
//   tool flood NAMESPACE ADDRESS SECONDS SIZE         echoes, eight on the way at a time; says how many were sent and answered
//   tool flow FROM TO ADDRESS PORT SECONDS            octets without end, compared on arrival, until TERM or for so long; says how many
//                                                     arrived
//
// Exit status: 0 as wished; 1 not so, and why stands on standard output; 2 the call or the system failed.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/icmp6.h>
#include <linux/icmp.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
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

static void write_to(const char *path, const char *text) {
  int descriptor = open(path, O_WRONLY);
  if (descriptor < 0 || write(descriptor, text, strlen(text)) < 0) die(path);
  close(descriptor);
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
      write_to(path, equals + 1);
    }
  }
  return 0;
}

// A namespace with a name, which outlives this process.
static void make_namespace(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", name);
  int descriptor = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
  if (descriptor < 0 || unshare(CLONE_NEWNET) != 0 || mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) != 0) die(path);
  close(descriptor);
}

static void *attribute(struct nlmsghdr *message, unsigned short type, const void *value, size_t length) {
  struct rtattr *one = (struct rtattr *)((char *)message + NLMSG_ALIGN(message->nlmsg_len));
  one->rta_type = type;
  one->rta_len = RTA_LENGTH(length);
  if (length) memcpy(RTA_DATA(one), value, length);
  message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + RTA_ALIGN(one->rta_len);
  return one;
}

static void attribute_ends(struct nlmsghdr *message, struct rtattr *one) {
  one->rta_len = (char *)message + message->nlmsg_len - (char *)one;
}

// A pair of veth, one end in the namespace that this process is in.
static void make_pair(const char *device, const char *other_namespace, const char *other_device) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", other_namespace);
  int other = open(path, O_RDONLY | O_CLOEXEC), netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (other < 0 || netlink < 0) die(path);
  union {
    struct nlmsghdr head;
    char octets[1024];
  } request = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL}};
  attribute(&request.head, IFLA_IFNAME, device, strlen(device) + 1);
  struct rtattr *about = attribute(&request.head, IFLA_LINKINFO, NULL, 0);
  attribute(&request.head, IFLA_INFO_KIND, "veth", 5);
  struct rtattr *data = attribute(&request.head, IFLA_INFO_DATA, NULL, 0);
  struct ifinfomsg none = {0};
  struct rtattr *peer = attribute(&request.head, VETH_INFO_PEER, &none, sizeof none);
  attribute(&request.head, IFLA_IFNAME, other_device, strlen(other_device) + 1);
  attribute(&request.head, IFLA_NET_NS_FD, &other, sizeof other);
  attribute_ends(&request.head, peer);
  attribute_ends(&request.head, data);
  attribute_ends(&request.head, about);
  struct {
    struct nlmsghdr head;
    struct nlmsgerr error;
    char rest[1024];
  } answer;
  if (send(netlink, &request, request.head.nlmsg_len, 0) < 0 || recv(netlink, &answer, sizeof answer, 0) < (ssize_t)NLMSG_LENGTH(sizeof answer.error)) die(device);
  errno = -answer.error.error;
  if (errno) die(device);
  close(netlink);
  close(other);
}

// Gives DEVICE, of the namespace that this process is in, an address and has it up; without ADDRESS only the latter.
static void set_up(const char *device, const char *address) {
  int one = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {0};
  struct sockaddr_in *four = (struct sockaddr_in *)&request.ifr_addr;
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
  if (address) {
    char text[64], *slash;
    snprintf(text, sizeof text, "%s", address);
    if (!(slash = strchr(text, '/'))) usage();
    *slash = 0;
    unsigned length = atoi(slash + 1);
    four->sin_family = AF_INET;
    if (length < 1 || length > 32 || inet_pton(AF_INET, text, &four->sin_addr) != 1) usage();
    if (ioctl(one, SIOCSIFADDR, &request) != 0) die(address);
    four->sin_addr.s_addr = htonl(~0u << (32 - length));
    if (ioctl(one, SIOCSIFNETMASK, &request) != 0) die(address);
  }
  if (ioctl(one, SIOCGIFFLAGS, &request) != 0) die(device);
  request.ifr_flags |= IFF_UP;
  if (ioctl(one, SIOCSIFFLAGS, &request) != 0) die(device);
  close(one);
}

static int lay(int count, char **words) {
  if (count < 1) usage();
  for (char *name; (name = strsep(&words[0], ","));) {
    make_namespace(name);
    write_to("/proc/sys/net/ipv6/conf/all/accept_dad", "0");
    write_to("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
    set_up("lo", NULL);
  }
  for (int i = 1; i < count;) {
    if (!strcmp(words[i], "wire") && count - i >= 7) {
      char **ends = &words[i + 1];
      enter(ends[0]);
      make_pair(ends[1], ends[3], ends[4]);
      set_up(ends[1], ends[2]);
      enter(ends[3]);
      set_up(ends[4], ends[5]);
      i += 7;
    } else if (!strcmp(words[i], "via") && count - i >= 3) {
      enter(words[i + 1]);
      socklen_t length;
      struct sockaddr_storage gateway = address_of(words[i + 2], 0, &length), any = {.ss_family = AF_INET};
      struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
      memcpy(&route.rt_gateway, &gateway, sizeof route.rt_gateway);
      memcpy(&route.rt_dst, &any, sizeof route.rt_dst);
      memcpy(&route.rt_genmask, &any, sizeof route.rt_genmask);
      int one = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      if (ioctl(one, SIOCADDRT, &route) != 0) die(words[i + 2]);
      close(one);
      i += 3;
    } else {
      usage();
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
  if (count != 4 && count != 5) usage();
  enter(words[0]);
  socklen_t length;
  struct sockaddr_storage target = address_of(words[1], atoi(words[2]), &length);
  int one = socket(target.ss_family, SOCK_DGRAM, 0), yes = 1;
  if (count == 5) {
    struct sockaddr_storage source = address_of(words[4], 0, &length);
    // From an address that is not this namespace's own, too.
    if (setsockopt(one, target.ss_family == AF_INET6 ? SOL_IPV6 : SOL_IP, target.ss_family == AF_INET6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &yes, sizeof yes) != 0 || bind(one, (struct sockaddr *)&source, length) != 0) die(words[4]);
  }
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

enum { LINUX_SLL = 113, LINUX_SLL2 = 276 };

// Of <pcap/pcap.h> and <pcap/sll.h>, which do not stand on every machine.
struct pcap_file_head {
  uint32_t magic;
  uint16_t major, minor;
  uint32_t zone, accuracy, length, link;
};
struct pcap_packet_head {
  uint32_t seconds, microseconds, kept, length;
};
struct sll2_head {
  uint16_t protocol, reserved;
  uint32_t device;
  uint16_t hardware;
  uint8_t kind, address_length, address[8];
};

static int capture(int count, char **words) {
  // So many at a time: packets come in bursts, and a system call is what costs.
  enum { TOGETHER = 64, LONGEST = 2048 };
  static unsigned char octets[TOGETHER][LONGEST], ancillary[TOGETHER][CMSG_SPACE(sizeof(struct timeval))];
  static struct sockaddr_ll from[TOGETHER];
  static struct { struct pcap_packet_head packet; struct sll2_head link; } heads[TOGETHER];
  struct mmsghdr messages[TOGETHER];
  struct iovec parts[TOGETHER], written[2 * TOGETHER];
  if (count != 3) usage();
  unsigned long kept = strtoul(words[2], NULL, 10);
  if (kept == 0 || kept > LONGEST) usage();
  enter(words[0]);
  // A signal just before it waits would not wake it.
  struct timeval look = {.tv_sec = 1};
  int yes = 1, buffer = 16 << 20, one = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)), file = open(words[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  // Beyond the system's limit only root of the machine itself may go; what gets lost for want of room is told at the end.
  if (one >= 0 && setsockopt(one, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0)
    setsockopt(one, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  if (one < 0 || file < 0 || setsockopt(one, SOL_SOCKET, SO_TIMESTAMP, &yes, sizeof yes) != 0 || setsockopt(one, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof look) != 0)
    die(words[1]);
  struct pcap_file_head head = {.magic = 0xa1b2c3d4, .major = 2, .minor = 4, .length = kept, .link = LINUX_SLL2};
  struct sigaction action = {.sa_handler = call_off};
  if (write(file, &head, sizeof head) != sizeof head || sigaction(SIGTERM, &action, NULL) != 0) die(words[1]);
  dprintf(STDOUT_FILENO, "listening\n");
  // What has come by the end belongs to it.
  for (int came = 0; !called_off || came > 0;) {
    for (int i = 0; i < TOGETHER; i++) {
      parts[i] = (struct iovec){octets[i], kept};
      messages[i].msg_hdr = (struct msghdr){&from[i], sizeof from[i], &parts[i], 1, ancillary[i], sizeof ancillary[i], 0};
    }
    // With MSG_TRUNC a message's length is the packet's own, whatever was kept of it.
    came = recvmmsg(one, messages, TOGETHER, (called_off ? MSG_DONTWAIT : MSG_WAITFORONE) | MSG_TRUNC, NULL);
    if (came < 0 && errno != EINTR && errno != EAGAIN) die("capture");
    int pieces = 0;
    ssize_t all = 0;
    for (int i = 0; i < came; i++) {
      size_t length = messages[i].msg_len, here = length < kept ? length : kept;
      struct timeval when = {0};
      for (struct cmsghdr *each = CMSG_FIRSTHDR(&messages[i].msg_hdr); each; each = CMSG_NXTHDR(&messages[i].msg_hdr, each))
        if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_TIMESTAMP) memcpy(&when, CMSG_DATA(each), sizeof when);
      heads[i].packet = (struct pcap_packet_head){when.tv_sec, when.tv_usec, sizeof heads[i].link + here, sizeof heads[i].link + length};
      heads[i].link = (struct sll2_head){from[i].sll_protocol, 0, htonl(from[i].sll_ifindex), htons(from[i].sll_hatype), from[i].sll_pkttype, from[i].sll_halen, {0}};
      memcpy(heads[i].link.address, from[i].sll_addr, sizeof from[i].sll_addr);
      written[pieces++] = (struct iovec){&heads[i], sizeof heads[i]};
      written[pieces++] = (struct iovec){octets[i], here};
      all += sizeof heads[i] + here;
    }
    if (pieces && writev(file, written, pieces) != all) die(words[1]);
  }
  struct tpacket_stats lost;
  socklen_t length = sizeof lost;
  if (getsockopt(one, SOL_PACKET, PACKET_STATISTICS, &lost, &length) != 0) die("statistics");
  if (lost.tp_drops) {
    printf("%u packets did not get into the capture\n", lost.tp_drops);
    return 1;
  }
  return 0;
}

struct network {
  int six, length;
  unsigned char prefix[16];
};

static struct network network_of(char *text) {
  struct network one = {0};
  char *slash = strchr(text, '/');
  if (!slash) usage();
  *slash = 0;
  one.length = atoi(slash + 1);
  one.six = strchr(text, ':') != NULL;
  if (inet_pton(one.six ? AF_INET6 : AF_INET, text, one.prefix) != 1 || one.length < 0 || one.length > (one.six ? 128 : 32)) usage();
  return one;
}

static int is_in(const unsigned char *address, int six, const struct network *networks, int count) {
  for (int i = 0; i < count; i++) {
    int whole = networks[i].length / 8, rest = networks[i].length % 8;
    if (networks[i].six == six && !memcmp(address, networks[i].prefix, whole) &&
        (!rest || !((address[whole] ^ networks[i].prefix[whole]) >> (8 - rest))))
      return 1;
  }
  return 0;
}

// RFC 3948 §2.2: what is no ESP on this port has a marker of four zero octets in its place, or is one octet long.
static int is_esp_in_udp(const unsigned char *udp, size_t length) {
  static const unsigned char marker[4];
  return length >= 12 && ((udp[0] << 8 | udp[1]) == 4500 || (udp[2] << 8 | udp[3]) == 4500) && memcmp(udp + 8, marker, sizeof marker);
}

static int saw(int count, char **words) {
  struct pcap_file_head head;
  struct pcap_packet_head packet;
  struct network networks[16];
  if (count < 1 || count > 17) usage();
  for (int i = 1; i < count; i++) networks[i - 1] = network_of(words[i]);
  count--;
  FILE *file = fopen(words[0], "r");
  unsigned char *octets = sent;
  if (!file || fread(&head, sizeof head, 1, file) != 1) die(words[0]);
  if (head.magic != 0xa1b2c3d4 || (head.link != LINUX_SLL && head.link != LINUX_SLL2)) {
    printf("%s is no capture of all devices\n", words[0]);
    return 1;
  }
  unsigned long long clear = 0, bare = 0, in_udp = 0;
  for (size_t got; (got = fread(&packet, 1, sizeof packet, file));) {
    size_t length = packet.kept, before = head.link == LINUX_SLL2 ? sizeof(struct sll2_head) : 16;
    if (got != sizeof packet || length > sizeof sent || fread(octets, 1, length, file) != length) {
      printf("%s ends in the middle of a packet\n", words[0]);
      return 1;
    }
    const unsigned char *protocol = octets + (head.link == LINUX_SLL2 ? 0 : 14), *ip = octets + before;
    if (length < before + 20) continue;
    length -= before;
    switch (protocol[0] << 8 | protocol[1]) {
      case 0x0800: {
        size_t own = (ip[0] & 15) * 4u;
        clear += is_in(ip + 12, 0, networks, count) || is_in(ip + 16, 0, networks, count);
        bare += ip[9] == IPPROTO_ESP;
        in_udp += ip[9] == IPPROTO_UDP && !((ip[6] & 0x1f) | ip[7]) && length > own && is_esp_in_udp(ip + own, length - own);
        break;
      }
      case 0x0806:
        clear += length >= 28 && (is_in(ip + 14, 0, networks, count) || is_in(ip + 24, 0, networks, count));
        break;
      case 0x86dd:
        if (length < 40) break;
        clear += is_in(ip + 8, 1, networks, count) || is_in(ip + 24, 1, networks, count);
        bare += ip[6] == IPPROTO_ESP;
        in_udp += ip[6] == IPPROTO_UDP && is_esp_in_udp(ip + 40, length - 40);
    }
  }
  printf("%llu %llu %llu\n", clear, bare, in_udp);
  return 0;
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
  struct sigaction action = {.sa_handler = call_off};
  if (sigaction(SIGTERM, &action, NULL) != 0) die("TERM");
  for (int ended = 0;;) {
    if (!ended && (called_off || milliseconds() >= end)) shutdown(from, SHUT_WR), ended = 1;
    struct pollfd both[] = {{.fd = ended ? -1 : from, .events = POLLOUT}, {.fd = to, .events = POLLIN}};
    errno = 0;
    int came = poll(both, 2, STALL);
    if (came < 0 && errno == EINTR) continue;
    if (came <= 0) return broken("the stream stalled", come);
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
  if (!strcmp(what, "lay")) return lay(count, words);
  if (!strcmp(what, "links")) return links(count, words);
  if (!strcmp(what, "ping")) return ping(count, words);
  if (!strcmp(what, "call")) return call(count, words);
  if (!strcmp(what, "udp")) return udp(count, words);
  if (!strcmp(what, "holds")) return holds(count, words);
  if (!strcmp(what, "flood")) return flood(count, words);
  if (!strcmp(what, "flow")) return flow(count, words);
  if (!strcmp(what, "capture")) return capture(count, words);
  if (!strcmp(what, "saw")) return saw(count, words);
  if (!strcmp(what, "tcp")) return tcp(count, words);
  usage();
}
