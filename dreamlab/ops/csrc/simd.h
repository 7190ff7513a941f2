// The widest vectors that this translation unit may use: AVX-512, AVX2 with FMA, or whatever 16 bytes the machine has.
//
// Arithmetic and comparisons come from the compilers' vector extensions; only what those lack is spelled out here. The
// build compiles with -ffp-contract=off, so a*b+c rounds twice everywhere and fma() is the one way to round once.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define DREAMLAB_INLINE inline __attribute__((always_inline))

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t IVec __attribute__((vector_size(kLanes * 4)));
typedef uint32_t UVec __attribute__((vector_size(kLanes * 4)));

// memcpy is how unaligned loads and stores are written without undefined behaviour; it compiles to one instruction.
DREAMLAB_INLINE Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
DREAMLAB_INLINE void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
DREAMLAB_INLINE void store(uint32_t* p, UVec v) { std::memcpy(p, &v, sizeof v); }

DREAMLAB_INLINE Vec splat(float s) { return s - Vec{}; }
DREAMLAB_INLINE UVec splat(uint32_t s) { return s + UVec{}; }

DREAMLAB_INLINE Vec fma(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__ARM_NEON)
  return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

// max(x, 0), but a NaN stays a NaN: x86's maximum answers its second operand where either is one.
DREAMLAB_INLINE Vec relu(Vec x) {
#if defined(__AVX512F__)
  return (Vec)_mm512_max_ps(_mm512_setzero_ps(), (__m512)x);
#elif defined(__AVX2__)
  return (Vec)_mm256_max_ps(_mm256_setzero_ps(), (__m256)x);
#else
  return x < 0.0f ? Vec{} : x;
#endif
}

// One bit a lane of a comparison's result.
DREAMLAB_INLINE unsigned bits(IVec mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask);
#elif defined(__AVX2__)
  return static_cast<unsigned>(_mm256_movemask_ps((__m256)mask));
#elif defined(__SSE2__)
  return static_cast<unsigned>(_mm_movemask_ps((__m128)mask));
#else
  unsigned result = 0;
  for (int i = 0; i < kLanes; ++i) result |= (mask[i] ? 1u : 0u) << i;
  return result;
#endif
}

DREAMLAB_INLINE UVec gather(const uint32_t* base, IVec index) {
#if defined(__AVX512F__)
  return (UVec)_mm512_i32gather_epi32((__m512i)index, base, 4);
#elif defined(__AVX2__)
  return (UVec)_mm256_i32gather_epi32(reinterpret_cast<const int*>(base), (__m256i)index, 4);
#else
  UVec v;
  for (int i = 0; i < kLanes; ++i) v[i] = base[index[i]];
  return v;
#endif
}

// 0, 1, 2, ... as floats.
DREAMLAB_INLINE Vec iota() {
  Vec v;
  for (int i = 0; i < kLanes; ++i) v[i] = static_cast<float>(i);
  return v;
}

DREAMLAB_INLINE Vec clamp(Vec x, float low, float high) {  // a NaN stays a NaN
  x = x < low ? splat(low) : x;
  return x > high ? splat(high) : x;
}

// ---- four floats, whatever the width of Vec ----

typedef float Four __attribute__((vector_size(16)));

DREAMLAB_INLINE Four load4(const float* p) {
  Four v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
DREAMLAB_INLINE Four splat4(float s) { return s - Four{}; }

DREAMLAB_INLINE Four fma4(Four a, Four b, Four c) {
#if defined(__FMA__)
  return (Four)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
#elif defined(__ARM_NEON)
  return (Four)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

// a[0], a[1], b[0], b[1]
DREAMLAB_INLINE Four join2(const float* a, const float* b) {
#if defined(__SSE2__)
  const __m128 low = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(a)));
  return (Four)_mm_loadh_pi(low, reinterpret_cast<const __m64*>(b));
#elif defined(__ARM_NEON)
  return (Four)vcombine_f32(vld1_f32(a), vld1_f32(b));
#else
  return Four{a[0], a[1], b[0], b[1]};
#endif
}

// Two floats in the lower half; the upper half is of no account.
DREAMLAB_INLINE Four load2(const float* p) {
#if defined(__SSE2__)
  return (Four)_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#else
  return Four{p[0], p[1], 0.0f, 0.0f};
#endif
}
DREAMLAB_INLINE void store2(float* p, Four v) { std::memcpy(p, &v, 2 * sizeof(float)); }

DREAMLAB_INLINE Four upper2(Four v) {
#if defined(__SSE2__)
  return (Four)_mm_movehl_ps((__m128)v, (__m128)v);
#else
  return Four{v[2], v[3], v[2], v[3]};
#endif
}

}  // namespace
