// What our Go is measured beside: the same with C libsodium. bench seal|open|id|onion ROUNDS prints ns per round.
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N = 320 };
static unsigned char aed[32], ask[64], bed[32], bsk[64], bx[32], bxs[32], box[crypto_box_SEALBYTES + N + 96];

static void fail(void) {
  fputs("failed\n", stderr);
  exit(1);
}

static void seal_round(int i) {
  unsigned char plain[N + 96] = {0}, text[N + 64] = {0};
  (void)i;
  memcpy(plain + N, aed, 32);
  memcpy(text + N, aed, 32);
  memcpy(text + N + 32, bx, 32);
  crypto_sign_detached(plain + N + 32, NULL, text, sizeof text, ask);
  if (crypto_box_seal(box, plain, sizeof plain, bx)) fail();
}

static void open_round(int i) {
  unsigned char plain[N + 96], text[N + 64], x[32];
  (void)i;
  if (crypto_box_seal_open(plain, box, sizeof box, bx, bxs)) fail();
  memcpy(text, plain, N + 32);
  memcpy(text + N + 32, bx, 32);
  if (crypto_sign_verify_detached(plain + N + 32, text, sizeof text, plain + N)) fail();
  if (crypto_sign_ed25519_pk_to_curve25519(x, plain + N)) fail();
}

static void id_round(int i) {
  unsigned char seed[32] = {0}, pk[32], sk[64], x[32];
  seed[0] = i, seed[1] = i >> 8;
  crypto_sign_seed_keypair(pk, sk, seed);
  if (crypto_sign_ed25519_pk_to_curve25519(x, pk)) fail();
}

// An onion as internal/onion makes it: the node that is asked, and three hops.
static unsigned char hop_ed[4][32], hop_x[4][32];

static size_t frame(unsigned char *out, const unsigned char *payload, size_t n, const char *control) {
  for (int i = 0; i < 4; i++) out[i] = n >> 8 * i;
  memcpy(out + 4, payload, n);
  memcpy(out + 4 + n, control, strlen(control));
  return 4 + n + strlen(control);
}

static size_t layer(unsigned char *out, const unsigned char *plain, size_t n, const unsigned char *to, char *part) {
  unsigned char pk[32], sk[32], shared[96], key[32];
  unsigned long long sealed;
  char hex[65];
  crypto_box_keypair(pk, sk);
  if (crypto_scalarmult(shared, sk, to)) fail();
  memcpy(shared + 32, pk, 32);
  memcpy(shared + 64, to, 32);
  crypto_generichash(key, 32, shared, 96, NULL, 0);
  randombytes_buf(out, 24);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out + 24, &sealed, plain, n, NULL, 0, NULL, out, key);
  sodium_bin2hex(hex, sizeof hex, pk, 32);
  sprintf(part, "\"enc_type\":\"xchacha20\",\"ephemeral_key\":\"%s\"}", hex);
  return 24 + sealed;
}

static void onion_round(int i) {
  static unsigned char rpc[1000], plain[4096], sealed[4096];
  char part[200], control[400], hex[65];
  (void)i;
  size_t n = layer(sealed, plain, frame(plain, rpc, sizeof rpc, "{\"headers\":\"\"}"), hop_x[3], part);
  for (int h = 2; h >= 0; h--) {
    sodium_bin2hex(hex, sizeof hex, hop_ed[h + 1], 32);
    sprintf(control, "{\"destination\":\"%s\",%s", hex, part);
    n = layer(sealed, plain, frame(plain, sealed, n, control), hop_x[h], part);
  }
  sprintf(control, "{%s", part);
  frame(plain, sealed, n, control);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
  unsigned char seed[32] = {1};
  if (argc != 3 || sodium_init() < 0) fail();
  crypto_sign_seed_keypair(aed, ask, seed);
  seed[0] = 2;
  crypto_sign_seed_keypair(bed, bsk, seed);
  if (crypto_sign_ed25519_pk_to_curve25519(bx, bed) || crypto_sign_ed25519_sk_to_curve25519(bxs, bsk)) fail();
  seal_round(0);
  for (int i = 0; i < 4; i++) {
    unsigned char sk[64];
    seed[0] = 3 + i;
    crypto_sign_seed_keypair(hop_ed[i], sk, seed);
    if (crypto_sign_ed25519_pk_to_curve25519(hop_x[i], hop_ed[i])) fail();
  }
  void (*run)(int) = !strcmp(argv[1], "seal") ? seal_round : !strcmp(argv[1], "open") ? open_round : !strcmp(argv[1], "onion") ? onion_round : id_round;
  int rounds = atoi(argv[2]);
  for (int i = 0; i < rounds / 5; i++) run(i);
  double began = now();
  for (int i = 0; i < rounds; i++) run(i);
  printf("%f\n", (now() - began) / rounds);
  return 0;
}
