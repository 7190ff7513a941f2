// Shared by the rasteriser's kernels: homogeneous edge functions in double, and threads.
#pragma once

#include <cmath>
#include <cstdint>

#include "parallel.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__)
#define DREAMLAB_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define DREAMLAB_CLONES
#endif

namespace dreamlab {

// A homogeneous 2D point (x, y, w) of clip space, or the line through two of them. Vertices arrive as float32, so the
// products below are exact in double and two triangles see exactly opposite values along the edge they share.
struct Line {
  double a, b, c;
};

inline Line cross(const Line& p, const Line& q) {
  return {p.b * q.c - p.c * q.b, p.c * q.a - p.a * q.c, p.a * q.b - p.b * q.a};
}

inline double dot(const Line& p, const Line& q) { return p.a * q.a + p.b * q.b + p.c * q.c; }

inline Line point(const float* clip, int64_t vertex) {
  const float* p = clip + vertex * 4;
  return {p[0], p[1], p[3]};
}

// Pixel centres in normalised device coordinates; row 0 is the top.
inline double column_centre(int64_t column, int64_t width) {
  return static_cast<double>(2 * column + 1) / static_cast<double>(width) - 1.0;
}
inline double row_centre(int64_t row, int64_t height) {
  return 1.0 - static_cast<double>(2 * row + 1) / static_cast<double>(height);
}

// Gradients that many pixels add to one vertex are summed in this many private pieces, then in order: the same bytes
// for any number of threads.
constexpr int kPieces = 4;

// body(first, last) over consecutive stretches of 0..n-1.
template <class Body>
void over(int64_t n, int threads, const Body& body) {
  const int64_t count = pieces(n, 4096, 32);
  parallel_for(count, threads, [&](int64_t i, int) { body(n * i / count, n * (i + 1) / count); });
}

}  // namespace dreamlab
