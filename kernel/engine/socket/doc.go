// Package socket makes, checks and finds the sockets of engines.
//
// A socket is the key to a user's models, runs and device, and four bars guard it:
//
//  1. It has mode 0600 and lies in a folder of mode 0700, both of its user, neither a
//     symbolic link. [Listen] makes it so and refuses places where it would not be.
//  2. A client looks at the same things before it connects: [Dial] does not talk to
//     a socket that somebody else has put, or could put, in the place.
//  3. Once connected, each end asks the system who the other is ([PeerOf]) and
//     hangs up on another user. Root is another user too.
//  4. Nothing listens on TCP. An engine on another machine is reached through a
//     forward of the socket (ssh -L), which the ends of bars 1 to 3 are on each side of.
//
// Beside a socket lies its lock, "….lock", which the engine holds while it lives and
// in which it has written an [About]. [Engines] finds the engines of this user by the
// system's own list of listening sockets, and those that were killed by the folders
// that kernels make; nothing has to be registered and nothing can be out of date.
package socket
