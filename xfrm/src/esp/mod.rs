//! ESP in userspace (RFC 4303) inside UDP (RFC 3948), on a TUN device.
