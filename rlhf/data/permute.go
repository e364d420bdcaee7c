package data

import "math/bits"

// Permute returns where item i of n, 0 ≤ i < n, stands in the shuffle that key
// chooses: for each key it is a bijection on [0, n). It needs no table, so the
// windows of any corpus can be visited in a random order that any step can be
// found in.
//
// It is a Feistel network of eight rounds on the smallest even number of bits that
// holds n (but at least 8: fewer bits have too few such networks), walked until the
// value falls below n, which for large n takes under four walks on average (Black and
// Rogaway 2002, "Ciphers with Arbitrary Finite Domains", cycle walking).
func Permute(i, n int, key uint64) int {
	if n < 2 {
		return 0
	}
	half := max(4, (bits.Len(uint(n-1))+1)/2)
	mask := uint64(1)<<half - 1
	x := uint64(i)
	for {
		left, right := x>>half, x&mask
		for round := range uint64(8) {
			left, right = right, left^(mix64(mix64(key+round)+right)&mask)
		}
		if x = left<<half | right; x < uint64(n) {
			return int(x)
		}
	}
}

// mix64 is the finaliser of SplitMix64 (Steele, Lea and Flood 2014) after one step
// of its sequence.
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
