// Triangle rasterisation in homogeneous coordinates (Olano & Greer 1997): no clipping, vertices behind the camera allowed.
//
// For corners p_i = (x, y, w) and a pixel P = (X, Y, 1) the edge functions e_i = (p_j x p_k) . P are proportional to
// barycentric_i / w, so e / sum(e) is the perspective-correct barycentric, and depth z/w = sum(e_i z_i) / det is affine
// in P. The image is cut into bands of rows; each band's z-buffer stays in cache and walks its faces in
// order, so the result does not depend on the number of threads.

#include <algorithm>
#include <cfloat>
#include <vector>

#include "raster_common.h"

namespace {

using dreamlab::Line;

constexpr int kBandRows = 32;
constexpr int64_t kGroup = 8;
constexpr double kFlat = 1e-14;  // |det| relative to the corners' lengths: nothing to see from here

struct Setup {
  Line edge[3];  // oriented: all three are >= 0 inside
  Line depth;
  int32_t x0, x1, y0, y1;  // inclusive pixel bounds, y0 > y1 where the face is not drawn
};

struct Band {
  const double* column;  // X of every column
  int64_t width;
  double* depth;
  int64_t* face;
  int32_t y0, y1;
};

// An exact edge hit belongs to the side that a tiny step to the right, then up, would enter.
inline double threshold(const Line& e) { return (e.a > 0 || (e.a == 0 && e.b > 0)) ? 0.0 : DBL_TRUE_MIN; }

inline int32_t clamp_to_int(double value, double low, double high) {
  return static_cast<int32_t>(value < low ? low : value > high ? high : value);
}

// The pixels whose centres a face can touch; the whole image where it reaches behind the camera.
bool bound(const Line (&p)[3], int64_t height, int64_t width, Setup* s) {
  const double last_x = static_cast<double>(width - 1), last_y = static_cast<double>(height - 1);
  s->x0 = s->y0 = 0, s->x1 = static_cast<int32_t>(last_x), s->y1 = static_cast<int32_t>(last_y);
  const int in_front = (p[0].c > 0) + (p[1].c > 0) + (p[2].c > 0);
  if (in_front < 3) return in_front > 0;
  double left = INFINITY, right = -INFINITY, low = INFINITY, high = -INFINITY;
  for (const Line& q : p) {
    const double inverse = 1.0 / q.c, x = q.a * inverse, y = q.b * inverse;
    left = std::min(left, x), right = std::max(right, x), low = std::min(low, y), high = std::max(high, y);
  }
  const double slack = 1e-6;  // pixels; the edge functions decide
  s->x0 = clamp_to_int(std::ceil((left + 1) * 0.5 * width - 0.5 - slack), 0, last_x + 1);
  s->x1 = clamp_to_int(std::floor((right + 1) * 0.5 * width - 0.5 + slack), -1, last_x);
  s->y0 = clamp_to_int(std::ceil((1 - high) * 0.5 * height - 0.5 - slack), 0, last_y + 1);
  s->y1 = clamp_to_int(std::floor((1 - low) * 0.5 * height - 0.5 + slack), -1, last_y);
  return s->x0 <= s->x1 && s->y0 <= s->y1;
}

bool set_up(const float* clip, const int64_t* face, int64_t height, int64_t width, Setup* s) {
  const Line p[3] = {dreamlab::point(clip, face[0]), dreamlab::point(clip, face[1]), dreamlab::point(clip, face[2])};
  const double z[3] = {clip[face[0] * 4 + 2], clip[face[1] * 4 + 2], clip[face[2] * 4 + 2]};
  double sum = z[0] + z[1] + z[2], squares = 1.0;
  for (int k = 0; k < 3; ++k) {
    sum += p[k].a + p[k].b + p[k].c;
    squares *= dreamlab::dot(p[k], p[k]);
  }
  if (!std::isfinite(sum) || !bound(p, height, width, s)) return false;
  for (int k = 0; k < 3; ++k) s->edge[k] = dreamlab::cross(p[(k + 1) % 3], p[(k + 2) % 3]);
  const double det = dreamlab::dot(p[0], s->edge[0]), size = std::abs(det);
  if (!(size > kFlat * std::sqrt(squares))) return false;
  if (det < 0)
    for (Line& e : s->edge) e = {-e.a, -e.b, -e.c};
  s->depth = {(s->edge[0].a * z[0] + s->edge[1].a * z[1] + s->edge[2].a * z[2]) / size,
              (s->edge[0].b * z[0] + s->edge[1].b * z[1] + s->edge[2].b * z[2]) / size,
              (s->edge[0].c * z[0] + s->edge[1].c * z[1] + s->edge[2].c * z[2]) / size};
  return true;
}

DREAMLAB_CLONES
void draw(const Setup& s, int64_t id, const Band& band, int64_t height) {
  const double t0 = threshold(s.edge[0]), t1 = threshold(s.edge[1]), t2 = threshold(s.edge[2]);
  const double a0 = s.edge[0].a, a1 = s.edge[1].a, a2 = s.edge[2].a, ad = s.depth.a;
  const double half_width = 0.5 * static_cast<double>(band.width);
  for (int32_t row = s.y0 > band.y0 ? s.y0 : band.y0; row <= s.y1 && row <= band.y1; ++row) {
    const double y = dreamlab::row_centre(row, height);
    const double r0 = s.edge[0].b * y + s.edge[0].c, r1 = s.edge[1].b * y + s.edge[1].c;
    const double r2 = s.edge[2].b * y + s.edge[2].c, rd = s.depth.b * y + s.depth.c;
    int64_t first = s.x0, last = s.x1;
    if (last - first > 8) {  // a generous interval of the row that can be inside
      const double slopes[3] = {a0, a1, a2}, rests[3] = {r0, r1, r2};
      for (int k = 0; k < 3; ++k) {
        if (slopes[k] == 0.0) continue;
        const double cut = (1.0 - rests[k] / slopes[k]) * half_width - 0.5;
        if (slopes[k] > 0 && cut - 1.0 > first) first = cut > last + 2.0 ? last + 1 : static_cast<int64_t>(cut - 1.0);
        if (slopes[k] < 0 && cut + 2.0 < last) last = cut < first - 2.0 ? first - 1 : static_cast<int64_t>(cut + 2.0);
      }
    }
    double* __restrict depth = band.depth + (row - band.y0) * band.width;
    int64_t* __restrict face = band.face + static_cast<int64_t>(row - band.y0) * band.width;
    const double* __restrict column = band.column;
    const auto test = [&](int64_t j) {
      const double x = column[j];
      const double d = ad * x + rd;
      const bool wins = (a0 * x + r0 >= t0) & (a1 * x + r1 >= t1) & (a2 * x + r2 >= t2) & (d >= -1.0) & (d <= 1.0) &
                        (d < depth[j]);
      depth[j] = wins ? d : depth[j];
      face[j] = wins ? id : face[j];
    };
    if (first > last) continue;
    // Whole groups of pixels, so that small faces are vector work too: those beyond the bounds fail the test.
    const int64_t count = (last - first + kGroup) / kGroup * kGroup;
    if (count > band.width) {
      for (int64_t j = first; j <= last; ++j) test(j);
      continue;
    }
    first = first < band.width - count ? first : band.width - count;
    for (int64_t group = first; group < first + count; group += kGroup)
      for (int64_t j = 0; j < kGroup; ++j) test(group + j);
  }
}

// Barycentrics and depth of the faces that won a band.
void resolve(const std::vector<Setup>& setups, const Band& band, int64_t height, float* barycentric, float* depth) {
  for (int32_t row = band.y0; row <= band.y1; ++row) {
    const double y = dreamlab::row_centre(row, height);
    for (int64_t j = 0; j < band.width; ++j) {
      const int64_t at = (row - band.y0) * band.width + j;
      const int64_t id = band.face[at];
      float* bary = barycentric + at * 3;
      if (id < 0) {
        bary[0] = bary[1] = bary[2] = 0.0f, depth[at] = 1.0f;
        continue;
      }
      const Setup& s = setups[id];
      const double x = band.column[j];
      double e[3];
      for (int k = 0; k < 3; ++k) e[k] = std::max(0.0, s.edge[k].a * x + (s.edge[k].b * y + s.edge[k].c));
      const double inverse = 1.0 / (e[0] + e[1] + e[2]);
      for (int k = 0; k < 3; ++k) bary[k] = static_cast<float>(e[k] * inverse);
      depth[at] = static_cast<float>(band.depth[at]);
    }
  }
}

}  // namespace

extern "C" {

// clip [B,V,4], faces [F,3] -> face_index [B,H,W], barycentric [B,H,W,3], depth [B,H,W] (1 in the background).
void dl_rasterise(const float* clip, int64_t n_views, int64_t n_vertices, const int64_t* faces, int64_t n_faces,
                        int64_t height, int64_t width, int32_t threads, int64_t* face_index, float* barycentric,
                        float* depth) {
  const int64_t n_bands = (height + kBandRows - 1) / kBandRows, n_pixels = height * width;
  std::vector<Setup> setups(n_faces);
  std::vector<int64_t> starts(n_bands + 1), bins;
  std::vector<double> columns(width), z_buffers(threads * kBandRows * width);
  for (int64_t j = 0; j < width; ++j) columns[j] = dreamlab::column_centre(j, width);

  for (int64_t view = 0; view < n_views; ++view) {
    const float* own = clip + view * n_vertices * 4;
    dreamlab::over(n_faces, threads, [&](int64_t first, int64_t last) {
      for (int64_t f = first; f < last; ++f)
        if (!set_up(own, faces + f * 3, height, width, &setups[f])) setups[f].y0 = 1, setups[f].y1 = 0;
    });

    std::fill(starts.begin(), starts.end(), 0);  // counting sort of the faces into bands, order kept
    for (const Setup& s : setups)
      if (s.y0 <= s.y1)
        for (int32_t band = s.y0 / kBandRows; band <= s.y1 / kBandRows; ++band) ++starts[band + 1];
    for (int64_t band = 0; band < n_bands; ++band) starts[band + 1] += starts[band];
    bins.resize(starts[n_bands]);
    std::vector<int64_t> next(starts.begin(), starts.end() - 1);
    for (int64_t f = 0; f < n_faces; ++f)
      if (setups[f].y0 <= setups[f].y1)
        for (int32_t band = setups[f].y0 / kBandRows; band <= setups[f].y1 / kBandRows; ++band) bins[next[band]++] = f;

    parallel_for(n_bands, threads, [&](int64_t b, int worker) {
      const int64_t y0 = b * kBandRows, y1 = std::min(height, y0 + kBandRows) - 1;
      const int64_t at = view * n_pixels + y0 * width, count = (y1 - y0 + 1) * width;
      double* z_buffer = z_buffers.data() + worker * kBandRows * width;
      const Band band = {columns.data(), width, z_buffer, face_index + at, static_cast<int32_t>(y0),
                         static_cast<int32_t>(y1)};
      std::fill_n(z_buffer, count, INFINITY);
      std::fill_n(band.face, count, int64_t{-1});
      for (int64_t i = starts[b]; i < starts[b + 1]; ++i) draw(setups[bins[i]], bins[i], band, height);
      resolve(setups, band, height, barycentric + at * 3, depth + at);
    });
  }
}

// grad_clip [B,V,4] of the loss through barycentric and depth. With S = sum(e): d bary_i / d e_k = (delta_ik - bary_i) / S,
// and depth = sum(e z) / sum(e w) with sum(e w) = det.
void dl_rasterise_backward(const float* clip, int64_t n_views, int64_t n_vertices, const int64_t* faces,
                                 int64_t height, int64_t width, int32_t threads, const int64_t* face_index,
                                 const float* grad_barycentric, const float* grad_depth, float* grad_clip) {
  const int64_t n_pixels = height * width, floats = n_vertices * 4;
  std::vector<float> pieces(dreamlab::kPieces * floats);
  for (int64_t view = 0; view < n_views; ++view) {
    const float* own = clip + view * floats;
    std::fill(pieces.begin(), pieces.end(), 0.0f);
    parallel_for(dreamlab::kPieces, threads, [&](int64_t piece, int) {
      float* sum = pieces.data() + piece * floats;
      const int64_t row0 = height * piece / dreamlab::kPieces, row1 = height * (piece + 1) / dreamlab::kPieces;
      for (int64_t i = row0 * width; i < row1 * width; ++i) {
        const int64_t id = face_index[view * n_pixels + i];
        if (id < 0) continue;
        const int64_t* face = faces + id * 3;
        const float* gb = grad_barycentric + (view * n_pixels + i) * 3;
        const double gd = grad_depth[view * n_pixels + i];
        const Line at = {dreamlab::column_centre(i % width, width), dreamlab::row_centre(i / width, height), 1.0};
        Line p[3];
        for (int k = 0; k < 3; ++k) p[k] = dreamlab::point(own, face[k]);
        double e[3], total = 0, det = 0, dz = 0, mean = 0;
        for (int k = 0; k < 3; ++k) {
          e[k] = dreamlab::dot(dreamlab::cross(p[(k + 1) % 3], p[(k + 2) % 3]), at);
          total += e[k], det += e[k] * p[k].c, dz += e[k] * own[face[k] * 4 + 2];
        }
        const double depth = dz / det;
        for (int k = 0; k < 3; ++k) mean += gb[k] * e[k] / total;
        for (int k = 0; k < 3; ++k) {  // e_k = (p_j x p_l) . P
          const int j = (k + 1) % 3, l = (k + 2) % 3;
          const double ge = (gb[k] - mean) / total + gd * (own[face[k] * 4 + 2] - depth * p[k].c) / det;
          const Line gj = dreamlab::cross(p[l], at), gl = dreamlab::cross(at, p[j]);
          float *sj = sum + face[j] * 4, *sl = sum + face[l] * 4, *sk = sum + face[k] * 4;
          sj[0] += static_cast<float>(ge * gj.a), sj[1] += static_cast<float>(ge * gj.b);
          sj[3] += static_cast<float>(ge * gj.c);
          sl[0] += static_cast<float>(ge * gl.a), sl[1] += static_cast<float>(ge * gl.b);
          sl[3] += static_cast<float>(ge * gl.c);
          sk[2] += static_cast<float>(gd * e[k] / det);
          sk[3] -= static_cast<float>(gd * depth * e[k] / det);
        }
      }
    });
    for (int64_t i = 0; i < floats; ++i) {
      float sum = 0.0f;
      for (int piece = 0; piece < dreamlab::kPieces; ++piece) sum += pieces[piece * floats + i];
      grad_clip[view * floats + i] = sum;
    }
  }
}

}  // extern "C"
