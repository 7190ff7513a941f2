// Forward-only batch renderer of flat-coloured triangle meshes: the studio's training images.
//
// A z-buffer of inverse depth at size * supersample, then a box filter. Flat faces make everything linear: 1/z is an
// affine function of the screen position, and colour and normal are constants of the face, so the inner loop over
// samples compares one float and stores one index. Both sides of a face are drawn. Single-threaded and without global state:
// callers run several at once, one per thread or process.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__)
#define DREAMLAB_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define DREAMLAB_CLONES
#endif

namespace {

constexpr int kChannels = 8;  // r, g, b, alpha, relief, nx, ny, nz
constexpr float kNear = 1e-2f;
// Samples this close (in sample spacings) to an edge belong to both neighbours, so that rounding never opens a crack.
constexpr double kSlack = 1e-4;

struct Vec3 {
  float x, y, z;
};

inline Vec3 sub(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline float dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

// Camera space here: x right, y up, z the depth along the view axis (positive in front).
struct View {
  float right[3], up[3], forward[3], position[3];
  float focal;   // samples per unit of x/z
  float centre;  // principal point in samples
};

struct Buffers {
  int samples;  // per side
  std::vector<float> inverse_depth;
  std::vector<int32_t> face;
};

DREAMLAB_CLONES
void fill_span(float* __restrict depth, int32_t* __restrict face, int count, float start, float slope, float low,
               float high, int32_t id) {
  for (int i = 0; i < count; ++i) {
    const float w = std::min(std::max(start + slope * static_cast<float>(i), low), high);
    const bool nearer = w > depth[i];
    depth[i] = nearer ? w : depth[i];
    face[i] = nearer ? id : face[i];
  }
}

// One triangle in screen samples; w is inverse depth at the corners.
void draw(Buffers& buffers, const double (&x)[3], const double (&y)[3], const double (&w)[3], int32_t id) {
  const int last = buffers.samples - 1;
  const double area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);
  if (!(std::abs(area) > 1e-12)) return;
  const double top = std::min({y[0], y[1], y[2]}), bottom = std::max({y[0], y[1], y[2]});
  const double left = std::min({x[0], x[1], x[2]}), right = std::max({x[0], x[1], x[2]});
  if (right < 0 || left > last + 1 || bottom < 0 || top > last + 1) return;
  // Sample i sits at i + 0.5.
  const int row0 = std::max(0, static_cast<int>(std::ceil(top - 0.5 - kSlack)));
  const int row1 = std::min(last, static_cast<int>(std::floor(std::min(bottom, last + 1.0) - 0.5 + kSlack)));

  const double inverse_area = 1.0 / area;
  const double slope_x = ((w[1] - w[0]) * (y[2] - y[0]) - (w[2] - w[0]) * (y[1] - y[0])) * inverse_area;
  const double slope_y = ((w[2] - w[0]) * (x[1] - x[0]) - (w[1] - w[0]) * (x[2] - x[0])) * inverse_area;
  const float low = static_cast<float>(std::min({w[0], w[1], w[2]}));
  const float high = static_cast<float>(std::max({w[0], w[1], w[2]}));

  for (int row = row0; row <= row1; ++row) {
    const double yc = std::min(std::max(row + 0.5, top), bottom);
    double enter = right, leave = left;
    for (int e = 0; e < 3; ++e) {  // where the row meets the outline
      const int n = e == 2 ? 0 : e + 1;
      const double lo = std::min(y[e], y[n]), hi = std::max(y[e], y[n]);
      if (yc < lo || yc > hi) continue;
      if (hi == lo) {
        enter = std::min({enter, x[e], x[n]});
        leave = std::max({leave, x[e], x[n]});
      } else {
        const double cut = x[e] + (yc - y[e]) * (x[n] - x[e]) / (y[n] - y[e]);
        enter = std::min(enter, cut);
        leave = std::max(leave, cut);
      }
    }
    if (enter > last + 1 || leave < 0) continue;
    const int first = std::max(0, static_cast<int>(std::ceil(std::max(enter, 0.0) - 0.5 - kSlack)));
    const int final = std::min(last, static_cast<int>(std::floor(std::min(leave, last + 1.0) - 0.5 + kSlack)));
    if (first > final) continue;
    const double start = w[0] + slope_x * (first + 0.5 - x[0]) + slope_y * (row + 0.5 - y[0]);
    const int64_t at = static_cast<int64_t>(row) * buffers.samples + first;
    fill_span(&buffers.inverse_depth[at], &buffers.face[at], final - first + 1, static_cast<float>(start),
              static_cast<float>(slope_x), low, high, id);
  }
}

void draw_projected(Buffers& buffers, const View& view, Vec3 a, Vec3 b, Vec3 c, int32_t id) {
  const Vec3 corners[3] = {a, b, c};
  double x[3], y[3], w[3];
  for (int k = 0; k < 3; ++k) {
    w[k] = 1.0 / corners[k].z;
    x[k] = view.centre + view.focal * corners[k].x * w[k];
    y[k] = view.centre - view.focal * corners[k].y * w[k];
  }
  draw(buffers, x, y, w, id);
}

// Sutherland-Hodgman against the near plane: a triangle becomes none, one or two.
void clip_and_draw(Buffers& buffers, const View& view, Vec3 a, Vec3 b, Vec3 c, int32_t id) {
  if (a.z >= kNear && b.z >= kNear && c.z >= kNear) return draw_projected(buffers, view, a, b, c, id);
  const Vec3 in[3] = {a, b, c};
  Vec3 out[4];
  int count = 0;
  for (int k = 0; k < 3; ++k) {
    const Vec3 p = in[k], q = in[(k + 1) % 3];
    if (p.z >= kNear) out[count++] = p;
    if ((p.z >= kNear) != (q.z >= kNear)) {
      const float t = (kNear - p.z) / (q.z - p.z);
      out[count++] = {p.x + t * (q.x - p.x), p.y + t * (q.y - p.y), kNear};
    }
  }
  for (int k = 2; k < count; ++k) draw_projected(buffers, view, out[0], out[k - 1], out[k], id);
}

// Average the samples of every pixel. `rows` holds 8 floats per face (r g b 1 0 nx ny nz) and a last row of zeros.
DREAMLAB_CLONES
void resolve(const float* __restrict depth, const int32_t* __restrict face, const float* __restrict rows, int samples,
             int size, int supersample, float camera_distance, float* __restrict out) {
  const float share = 1.0f / static_cast<float>(supersample * supersample);
  for (int py = 0; py < size; ++py) {
    for (int px = 0; px < size; ++px) {
      float sum[kChannels] = {0};
      float relief = 0.0f;
      for (int sy = 0; sy < supersample; ++sy) {
        const int64_t at = static_cast<int64_t>(py * supersample + sy) * samples + px * supersample;
        for (int sx = 0; sx < supersample; ++sx) {
          if (depth[at + sx] == 0.0f) continue;
          const float* row = rows + static_cast<int64_t>(face[at + sx]) * kChannels;
          for (int c = 0; c < kChannels; ++c) sum[c] += row[c];
          relief += camera_distance - 1.0f / depth[at + sx];
        }
      }
      sum[4] = relief;
      float* pixel = out + (static_cast<int64_t>(py) * size + px) * kChannels;
      for (int c = 0; c < kChannels; ++c) pixel[c] = sum[c] * share;
    }
  }
}

}  // namespace

extern "C" {

// vertices [V,3], faces [F,3] (checked by the caller), face_colors [F,3]; frames [n,12]: rows right, up, forward,
// position; focal [n] = 1 / tan(fovy / 2); camera_distance [n]; out [n,size,size,8]. Returns 0.
int dl_render_views(const float* vertices, int64_t n_vertices, const int32_t* faces, int64_t n_faces,
                        const float* face_colors, const float* frames, const float* focal,
                        const float* camera_distance, int64_t n_views, int32_t size, int32_t supersample, float* out) {
  Buffers buffers;
  buffers.samples = size * supersample;
  const size_t n_samples = static_cast<size_t>(buffers.samples) * buffers.samples;
  buffers.inverse_depth.resize(n_samples);
  buffers.face.resize(n_samples);
  std::vector<Vec3> local(n_vertices);
  std::vector<float> rows(static_cast<size_t>(n_faces) * kChannels);

  for (int64_t v = 0; v < n_views; ++v) {
    View view;
    std::memcpy(&view, frames + v * 12, sizeof(float) * 12);
    view.centre = 0.5f * static_cast<float>(buffers.samples);
    view.focal = focal[v] * view.centre;
    std::fill(buffers.inverse_depth.begin(), buffers.inverse_depth.end(), 0.0f);

    for (int64_t i = 0; i < n_vertices; ++i) {
      const Vec3 p = {vertices[i * 3] - view.position[0], vertices[i * 3 + 1] - view.position[1],
                      vertices[i * 3 + 2] - view.position[2]};
      local[i] = {p.x * view.right[0] + p.y * view.right[1] + p.z * view.right[2],
                  p.x * view.up[0] + p.y * view.up[1] + p.z * view.up[2],
                  p.x * view.forward[0] + p.y * view.forward[1] + p.z * view.forward[2]};
    }
    for (int64_t f = 0; f < n_faces; ++f) {
      const Vec3 a = local[faces[f * 3]], b = local[faces[f * 3 + 1]], c = local[faces[f * 3 + 2]];
      if (a.z < kNear && b.z < kNear && c.z < kNear) continue;
      Vec3 normal = cross(sub(b, a), sub(c, a));
      const float length = std::sqrt(dot(normal, normal));
      if (!(length > 0.0f)) continue;
      // The side that faces the camera: against the line of sight to the face.
      const float scale = (dot(normal, a) > 0.0f ? -1.0f : 1.0f) / length;
      float* row = &rows[f * kChannels];
      row[0] = face_colors[f * 3], row[1] = face_colors[f * 3 + 1], row[2] = face_colors[f * 3 + 2];
      row[3] = 1.0f, row[4] = 0.0f;
      row[5] = normal.x * scale, row[6] = normal.y * scale;
      row[7] = -normal.z * scale;  // depth points away from the camera, the image's z towards it
      clip_and_draw(buffers, view, a, b, c, static_cast<int32_t>(f));
    }
    resolve(buffers.inverse_depth.data(), buffers.face.data(), rows.data(), buffers.samples, size, supersample,
            camera_distance[v], out + static_cast<size_t>(v) * size * size * kChannels);
  }
  return 0;
}

}  // extern "C"
