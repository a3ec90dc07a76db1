// What our Go is measured beside: the same with libsodium-wrappers-sumo. node bench.mjs seal|open|id|onion ROUNDS prints ns per round.
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
// An onion as internal/onion makes it: the node that is asked, and three hops.
const hops = [3, 4, 5, 6].map(pair)
const text = s => new TextEncoder().encode(s)
const frame = (payload, control) => {
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, payload.length, true)
  return join(length, payload, text(JSON.stringify(control)))
}
const rpc = new Uint8Array(1000)
const layer = (plain, to) => {
  const own = sodium.crypto_box_keypair()
  const shared = sodium.crypto_scalarmult(own.privateKey, to)
  const key = sodium.crypto_generichash(32, join(shared, own.publicKey, to))
  const nonce = sodium.randombytes_buf(24)
  const sealed = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, null, null, nonce, key)
  return { sealed: join(nonce, sealed), part: { enc_type: 'xchacha20', ephemeral_key: sodium.to_hex(own.publicKey) } }
}
const onion = () => {
  let { sealed, part } = layer(frame(rpc, { headers: '' }), hops[3].x.public)
  let next = hops[3].ed.publicKey
  for (let i = 2; i >= 0; i--) {
    ;({ sealed, part } = layer(frame(sealed, { destination: sodium.to_hex(next), ...part }), hops[i].x.public))
    next = hops[i].ed.publicKey
  }
  return frame(sealed, part)
}
const seed = new Uint8Array(32)
const run = {
  seal,
  onion,
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
