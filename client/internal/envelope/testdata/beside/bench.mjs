// What our Go is measured beside: the same with libsodium-wrappers-sumo. node bench.mjs seal|open|id ROUNDS prints ns per round.
import sodium from 'libsodium-wrappers-sumo'

await sodium.ready
const [what, rounds] = [process.argv[2], Number(process.argv[3])]
const pair = byte => {
  const seed = new Uint8Array(32)
  seed[0] = byte
  const ed = sodium.crypto_sign_seed_keypair(seed)
  return {
    ed,
    x: {
      public: sodium.crypto_sign_ed25519_pk_to_curve25519(ed.publicKey),
      secret: sodium.crypto_sign_ed25519_sk_to_curve25519(ed.privateKey),
    },
  }
}
const join = (...parts) => {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    all.set(p, at)
    at += p.length
  }
  return all
}
const alice = pair(1)
const bob = pair(2)
const padded = new Uint8Array(320)
const seal = () => {
  const signature = sodium.crypto_sign_detached(join(padded, alice.ed.publicKey, bob.x.public), alice.ed.privateKey)
  return sodium.crypto_box_seal(join(padded, alice.ed.publicKey, signature), bob.x.public)
}
const box = seal()
const seed = new Uint8Array(32)
const run = {
  seal,
  open: () => {
    const plain = sodium.crypto_box_seal_open(box, bob.x.public, bob.x.secret)
    const n = plain.length - 96
    const signer = plain.subarray(n, n + 32)
    const ok = sodium.crypto_sign_verify_detached(plain.subarray(n + 32), join(plain.subarray(0, n + 32), bob.x.public), signer)
    if (!ok) throw new Error('does not open')
    return sodium.crypto_sign_ed25519_pk_to_curve25519(signer)
  },
  id: i => {
    seed[0] = i
    seed[1] = i >> 8
    return sodium.crypto_sign_ed25519_pk_to_curve25519(sodium.crypto_sign_seed_keypair(seed).publicKey)
  },
}[what]
for (let i = 0; i < rounds / 5; i++) run(i)
const began = process.hrtime.bigint()
for (let i = 0; i < rounds; i++) run(i)
console.log(Number(process.hrtime.bigint() - began) / rounds)
