// What our Go is measured beside: the same with C libsodium. bench seal|open|id ROUNDS prints ns per round.
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
  void (*run)(int) = !strcmp(argv[1], "seal") ? seal_round : !strcmp(argv[1], "open") ? open_round : id_round;
  int rounds = atoi(argv[2]);
  for (int i = 0; i < rounds / 5; i++) run(i);
  double began = now();
  for (int i = 0; i < rounds; i++) run(i);
  printf("%f\n", (now() - began) / rounds);
  return 0;
}
