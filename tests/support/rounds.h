/* How often a story with one thread is told: in full, but less often where threads are watched, which costs tenfold and
 * has nothing to find in it. */
#ifndef TESTS_SUPPORT_ROUNDS_H
#define TESTS_SUPPORT_ROUNDS_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST_ROUNDS(n) ((n) / 8)
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TEST_ROUNDS(n) ((n) / 8)
#endif
#ifndef TEST_ROUNDS
#define TEST_ROUNDS(n) (n)
#endif

#endif
