package run

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Seed is the one number from which all randomness of a run derives.
type Seed uint64

// Stream returns the generator of one consumer at one step, such as
// ("ppo/rollout", 12). Streams of other names or steps are independent of it, so
// a consumer that draws more than before moves no other; and because the
// step is part of the name, a resumed run draws what a straight run draws
// without any generator's state being saved.
//
// The generator is a PCG whose state is the first 16 bytes of
//
//	SHA-256(seed ‖ step ‖ name)    seed and step as 64 bits, little-endian
//
// The sequences do not change from version to version: math/rand/v2 promises it
// for PCG, and a test here holds the rest.
func (s Seed) Stream(name string, step int) *rand.Rand {
	h := s.hash(name, step)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(h[0:]), binary.LittleEndian.Uint64(h[8:])))
}

// Uint64 returns one number for a consumer that seeds a generator of its own, such
// as the one inside an XLA program. It is independent of what Stream draws
// for the same name and step.
func (s Seed) Uint64(name string, step int) uint64 {
	h := s.hash(name, step)
	return binary.LittleEndian.Uint64(h[16:])
}

func (s Seed) hash(name string, step int) [sha256.Size]byte {
	b := make([]byte, 0, 16+len(name))
	b = binary.LittleEndian.AppendUint64(b, uint64(s))
	b = binary.LittleEndian.AppendUint64(b, uint64(int64(step)))
	return sha256.Sum256(append(b, name...))
}
