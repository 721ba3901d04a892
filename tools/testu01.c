/* Runs a battery of TestU01 (L'Ecuyer and Simard 2007) over 32-bit words read from standard input.
 *
 * usage: testu01 small|crush|big [reversed] < words
 *
 * TestU01 looks at the upper bits more than at the lower ones; `reversed` turns each word around.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <testu01/bbattery.h>
#include <testu01/unif01.h>

enum { WORDS = 1 << 14 };

static uint32_t words[WORDS];
static size_t left = 0;
static int reversed = 0;

static uint32_t reverse(uint32_t x)
{
    x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
    x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
    x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
    return __builtin_bswap32(x);
}

static unsigned int next(void)
{
    if (left == 0) {
        left = fread(words, sizeof words[0], WORDS, stdin);
        if (left == 0) {
            fputs("testu01: standard input has ended before the battery\n", stderr);
            exit(2);
        }
        /* From the end of the buffer downwards would be another order. */
        memmove(words + WORDS - left, words, left * sizeof words[0]);
    }
    uint32_t word = words[WORDS - left--];
    return reversed ? reverse(word) : word;
}

int main(int argc, char **argv)
{
    if (argc < 2 || (argc > 2 && strcmp(argv[2], "reversed") != 0)) {
        fputs("usage: testu01 small|crush|big [reversed] < words\n", stderr);
        return 2;
    }
    reversed = argc > 2;
    unif01_Gen *generator = unif01_CreateExternGenBits("words", next);
    if (strcmp(argv[1], "small") == 0) {
        bbattery_SmallCrush(generator);
    } else if (strcmp(argv[1], "crush") == 0) {
        bbattery_Crush(generator);
    } else if (strcmp(argv[1], "big") == 0) {
        bbattery_BigCrush(generator);
    } else {
        fprintf(stderr, "testu01: unknown battery '%s'; known are small, crush and big\n", argv[1]);
        return 2;
    }
    unif01_DeleteExternGenBits(generator);
    /* TestU01 calls p outside [0.001, 0.999] suspect. */
    int suspects = 0;
    for (int i = 0; i < bbattery_NTests; i++) {
        suspects += bbattery_pVal[i] < 1e-3 || bbattery_pVal[i] > 1.0 - 1e-3;
    }
    printf("%d statistics, %d outside [0.001, 0.999]\n", bbattery_NTests, suspects);
    return suspects > 0;
}
