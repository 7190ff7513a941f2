// Analytic antialiasing of silhouettes (Laine et al. 2020, section 3.6), the path by which positions feel visibility.
//
// Every pair of neighbouring pixels that show different faces is examined: if a silhouette edge of the nearer face
// crosses the segment between the two centres, at fraction s from the first, the pixel whose half is invaded
// takes |s - 1/2| of the other's colour. One number s a pair is all that either pass needs.

#include <algorithm>
#include <cmath>

#include "raster_common.h"

namespace {

using dreamlab::Line;

struct Image {
  int64_t height, width;
  const float* clip;
  const int64_t* faces;
  const int64_t* opposite;  // [F,3] the vertex across each edge, -1 at a border; edge k faces corner k
  const int64_t* face_index;
  const float* depth;
};

// The step from a pixel centre to its right or lower neighbour, in normalised device coordinates.
inline double step_of(const Image& im, int axis) {
  return axis == 0 ? 2.0 / static_cast<double>(im.width) : -2.0 / static_cast<double>(im.height);
}

inline Line centre(const Image& im, int64_t pixel) {
  return {dreamlab::column_centre(pixel % im.width, im.width), dreamlab::row_centre(pixel / im.width, im.height), 1.0};
}

// s in 0..1 for the pair (first, second) along axis 0 = right, 1 = down; 0.5 and code -1 where no edge crosses.
// code = (face * 3 + edge) * 2 + (1 where the second pixel is the nearer).
double crossing(const Image& im, int64_t first, int64_t second, int axis, int64_t* code) {
  *code = -1;
  const int64_t f = im.face_index[first], g = im.face_index[second];
  if (f == g) return 0.5;
  const bool swap = f < 0 || (g >= 0 && im.depth[second] < im.depth[first]);
  const int64_t near = swap ? g : f;
  const Line at = centre(im, swap ? second : first);
  const double step = swap ? -step_of(im, axis) : step_of(im, axis);
  const int64_t* face = im.faces + near * 3;
  for (int k = 0; k < 3; ++k) {
    const Line p = dreamlab::point(im.clip, face[(k + 1) % 3]), q = dreamlab::point(im.clip, face[(k + 2) % 3]);
    if (p.c <= 0 || q.c <= 0) continue;
    const Line edge = dreamlab::cross(p, q);
    // Steep edges are the business of horizontal pairs, flat ones of vertical pairs.
    const double across = std::abs(edge.a) * im.height, along = std::abs(edge.b) * im.width;
    if (axis == 0 ? across < along : across >= along) continue;
    // The segment must pass from one side of the scanline to the other.
    const bool p_below = axis == 0 ? p.b < at.b * p.c : p.a < at.a * p.c;
    const bool q_below = axis == 0 ? q.b < at.b * q.c : q.a < at.a * q.c;
    if (p_below == q_below) continue;
    const double s = -dreamlab::dot(edge, at) / ((axis == 0 ? edge.a : edge.b) * step);
    if (!(s >= 0.0 && s <= 1.0)) continue;
    const int64_t across_vertex = im.opposite[near * 3 + k];
    if (across_vertex >= 0) {  // a crease seen from its side is no silhouette
      const double mine = dreamlab::dot(edge, dreamlab::point(im.clip, face[k]));
      const double other = dreamlab::dot(edge, dreamlab::point(im.clip, across_vertex));
      if (mine * other < 0) continue;
    }
    *code = (near * 3 + k) * 2 + swap;
    return swap ? 1.0 - s : s;
  }
  return 0.5;
}

// The neighbour to the right (axis 0) or below (axis 1), or -1 at the border.
inline int64_t neighbour(const Image& im, int64_t pixel, int axis) {
  if (axis == 0) return (pixel + 1) % im.width ? pixel + 1 : -1;
  return pixel + im.width < im.height * im.width ? pixel + im.width : -1;
}

// How much of the pair's second colour the first takes (positive), or the second of the first's (negative).
inline float lean(float s) { return 0.5f - s; }

}  // namespace

extern "C" {

// image [B,H,W,C] -> out [B,H,W,C]; crossings [B,H*W,2] float and codes [B,H*W,2] int64 are kept for the backward.
void dl_antialias(const float* image, int64_t n_views, int64_t height, int64_t width, int64_t channels,
                        const float* clip, int64_t n_vertices, const int64_t* faces, const int64_t* opposite,
                        const int64_t* face_index, const float* depth, int32_t threads, float* crossings,
                        int64_t* codes, float* out) {
  const int64_t n = height * width;
  for (int64_t view = 0; view < n_views; ++view) {
    const Image im = {height, width, clip + view * n_vertices * 4, faces, opposite, face_index + view * n, depth + view * n};
    const float* in = image + view * n * channels;
    float* result = out + view * n * channels;
    float* s = crossings + view * n * 2;
    int64_t* code = codes + view * n * 2;
    dreamlab::over(n, threads, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        for (int axis = 0; axis < 2; ++axis) {
          const int64_t j = neighbour(im, i, axis);
          code[i * 2 + axis] = -1;
          s[i * 2 + axis] = j < 0 ? 0.5f : static_cast<float>(crossing(im, i, j, axis, &code[i * 2 + axis]));
        }
    });
    dreamlab::over(n, threads, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const float* c = in + i * channels;
        float* o = result + i * channels;
        std::copy_n(c, channels, o);
        for (int axis = 0; axis < 2; ++axis) {
          const int64_t stride = axis == 0 ? 1 : width;
          const int64_t before = axis == 0 ? (i % width ? i - 1 : -1) : i - width;
          const float ahead = lean(s[i * 2 + axis]);
          if (ahead > 0)
            for (int64_t k = 0; k < channels; ++k) o[k] += ahead * (c[stride * channels + k] - c[k]);
          const float behind = before < 0 ? 0.0f : -lean(s[before * 2 + axis]);
          if (behind > 0)
            for (int64_t k = 0; k < channels; ++k) o[k] += behind * (in[before * channels + k] - c[k]);
        }
      }
    });
  }
}

// grad_image [B,H,W,C] and grad_clip [B,V,4] (z untouched). Few pixels are silhouettes, so positions are summed serially.
void dl_antialias_backward(const float* image, int64_t n_views, int64_t height, int64_t width, int64_t channels,
                                 const float* clip, int64_t n_vertices, const int64_t* faces, const float* crossings,
                                 const int64_t* codes, const float* grad_out, float* grad_image, float* grad_clip) {
  const int64_t n = height * width;
  std::copy_n(grad_out, n_views * n * channels, grad_image);
  std::fill_n(grad_clip, n_views * n_vertices * 4, 0.0f);
  for (int64_t view = 0; view < n_views; ++view) {
    const Image im = {height, width, clip + view * n_vertices * 4, faces, nullptr, nullptr, nullptr};
    float* grad_vertex = grad_clip + view * n_vertices * 4;
    for (int64_t i = 0; i < n; ++i)
      for (int axis = 0; axis < 2; ++axis) {
        const int64_t code = codes[(view * n + i) * 2 + axis];
        if (code < 0) continue;
        const int64_t a = view * n + i, b = view * n + neighbour(im, i, axis);
        const float share = lean(crossings[a * 2 + axis]);
        const int64_t taker = share > 0 ? a : b, giver = share > 0 ? b : a;
        double grad_s = 0.0;  // d out[taker] / d s = image[a] - image[b] on either side of the middle
        for (int64_t k = 0; k < channels; ++k) {
          const float g = grad_out[taker * channels + k];
          grad_image[giver * channels + k] += std::abs(share) * g;
          grad_image[taker * channels + k] -= std::abs(share) * g;
          grad_s += static_cast<double>(g) * (image[a * channels + k] - image[b * channels + k]);
        }
        const bool swap = code & 1;
        const int64_t* face = faces + (code / 6) * 3;
        const int k = static_cast<int>((code / 2) % 3);
        const int64_t v0 = face[(k + 1) % 3], v1 = face[(k + 2) % 3];
        const Line p = dreamlab::point(im.clip, v0), q = dreamlab::point(im.clip, v1), edge = dreamlab::cross(p, q);
        const Line at = centre(im, swap ? neighbour(im, i, axis) : i);
        const double step = swap ? -step_of(im, axis) : step_of(im, axis);
        const double slope = axis == 0 ? edge.a : edge.b, scale = (swap ? -grad_s : grad_s) / (slope * step);
        // s = -(edge . at) / (slope * step)
        Line grad_edge = {-scale * at.a, -scale * at.b, -scale};
        (axis == 0 ? grad_edge.a : grad_edge.b) += scale * dreamlab::dot(edge, at) / slope;
        const Line gp = dreamlab::cross(q, grad_edge), gq = dreamlab::cross(grad_edge, p);
        float *tp = grad_vertex + v0 * 4, *tq = grad_vertex + v1 * 4;
        tp[0] += static_cast<float>(gp.a), tp[1] += static_cast<float>(gp.b), tp[3] += static_cast<float>(gp.c);
        tq[0] += static_cast<float>(gq.a), tq[1] += static_cast<float>(gq.b), tq[3] += static_cast<float>(gq.c);
      }
  }
}

}  // extern "C"
