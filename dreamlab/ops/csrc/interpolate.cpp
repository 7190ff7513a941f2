// Attributes and textures at rasterised pixels, forward and backward.

#include <algorithm>
#include <vector>

#include "raster_common.h"

namespace {

inline int64_t wrap(int64_t i, int64_t n) {
  const int64_t r = i % n;
  return r < 0 ? r + n : r;
}

// The four texels around a uv and their weights: pixel centres at (i + 0.5) / n, v up, row 0 at the top.
struct Bilinear {
  int64_t x[2], y[2];
  float fx, fy;
  bool live_x, live_y;  // false where clamping stops the uv's gradient
  float w[4];           // of texels (y0 x0), (y0 x1), (y1 x0), (y1 x1)
};

Bilinear bilinear(const float* uv, int64_t height, int64_t width, bool repeat) {
  Bilinear b;
  double x = uv[0], y = 1.0 - uv[1];
  if (!(std::abs(x) < 1e9)) x = 0;  // NaN and infinities must not become indices
  if (!(std::abs(y) < 1e9)) y = 0;
  x = x * static_cast<double>(width) - 0.5, y = y * static_cast<double>(height) - 0.5;
  b.live_x = repeat || (x > 0 && x < static_cast<double>(width - 1));
  b.live_y = repeat || (y > 0 && y < static_cast<double>(height - 1));
  if (!repeat) {
    x = std::min(std::max(x, 0.0), static_cast<double>(width - 1));
    y = std::min(std::max(y, 0.0), static_cast<double>(height - 1));
  }
  const int64_t ix = static_cast<int64_t>(std::floor(x)), iy = static_cast<int64_t>(std::floor(y));
  b.fx = static_cast<float>(x - static_cast<double>(ix)), b.fy = static_cast<float>(y - static_cast<double>(iy));
  for (int k = 0; k < 2; ++k) {
    b.x[k] = repeat ? wrap(ix + k, width) : std::min(ix + k, width - 1);
    b.y[k] = repeat ? wrap(iy + k, height) : std::min(iy + k, height - 1);
  }
  b.w[0] = (1 - b.fx) * (1 - b.fy), b.w[1] = b.fx * (1 - b.fy), b.w[2] = (1 - b.fx) * b.fy, b.w[3] = b.fx * b.fy;
  return b;
}

struct Texels {
  const float* t[4];
  Texels(const float* texture, const Bilinear& b, int64_t width, int64_t channels) {
    for (int k = 0; k < 4; ++k) t[k] = texture + (b.y[k >> 1] * width + b.x[k & 1]) * channels;
  }
};

}  // namespace

extern "C" {

// attributes [V,A] (view_stride 0) or [B,V,A] (view_stride V*A) -> out [B,H,W,A], zeros in the background.
void dl_interpolate(const float* attributes, int64_t view_stride, int64_t n_attributes, const int64_t* faces,
                          const int64_t* face_index, const float* barycentric, int64_t n_views, int64_t n_pixels,
                          int32_t threads, float* out) {
  dreamlab::over(n_views * n_pixels, threads, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      float* o = out + i * n_attributes;
      const int64_t id = face_index[i];
      if (id < 0) {
        std::fill_n(o, n_attributes, 0.0f);
        continue;
      }
      const float* own = attributes + (i / n_pixels) * view_stride;
      const float *p = own + faces[id * 3] * n_attributes, *q = own + faces[id * 3 + 1] * n_attributes,
                  *r = own + faces[id * 3 + 2] * n_attributes;
      const float b0 = barycentric[i * 3], b1 = barycentric[i * 3 + 1], b2 = barycentric[i * 3 + 2];
      for (int64_t a = 0; a < n_attributes; ++a) o[a] = b0 * p[a] + b1 * q[a] + b2 * r[a];
    }
  });
}

// grad_barycentric [B,H,W,3] and grad_attributes (shape of attributes).
void dl_interpolate_backward(const float* attributes, int64_t view_stride, int64_t n_vertices,
                                   int64_t n_attributes, const int64_t* faces, const int64_t* face_index,
                                   const float* barycentric, int64_t n_views, int64_t n_pixels, int32_t threads,
                                   const float* grad_out, float* grad_attributes, float* grad_barycentric) {
  const int64_t floats = n_vertices * n_attributes, rounds = view_stride ? n_views : 1;
  std::vector<float> pieces(dreamlab::kPieces * floats);
  for (int64_t round = 0; round < rounds; ++round) {  // views with attributes of their own one by one, else all at once
    const int64_t begin = view_stride ? round * n_pixels : 0, count = view_stride ? n_pixels : n_views * n_pixels;
    const float* own = attributes + round * view_stride;
    std::fill(pieces.begin(), pieces.end(), 0.0f);
    parallel_for(dreamlab::kPieces, threads, [&](int64_t piece, int) {
      float* sum = pieces.data() + piece * floats;
      const int64_t last = begin + count * (piece + 1) / dreamlab::kPieces;
      for (int64_t i = begin + count * piece / dreamlab::kPieces; i < last; ++i) {
        const int64_t id = face_index[i];
        const float* g = grad_out + i * n_attributes;
        for (int k = 0; k < 3; ++k) {
          if (id < 0) {
            grad_barycentric[i * 3 + k] = 0.0f;
            continue;
          }
          const int64_t at = faces[id * 3 + k] * n_attributes;
          const float b = barycentric[i * 3 + k];
          float dot = 0.0f;
          for (int64_t a = 0; a < n_attributes; ++a) {
            sum[at + a] += b * g[a];
            dot += own[at + a] * g[a];
          }
          grad_barycentric[i * 3 + k] = dot;
        }
      }
    });
    float* target = grad_attributes + round * view_stride;
    for (int64_t i = 0; i < floats; ++i) {
      float total = 0.0f;
      for (int piece = 0; piece < dreamlab::kPieces; ++piece) total += pieces[piece * floats + i];
      target[i] = total;
    }
  }
}

// texture [H,W,C] at uv [N,2] -> out [N,C].
void dl_sample_texture(const float* texture, int64_t height, int64_t width, int64_t channels, const float* uv,
                             int64_t n, int32_t repeat, int32_t threads, float* out) {
  dreamlab::over(n, threads, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const Bilinear b = bilinear(uv + i * 2, height, width, repeat != 0);
      const Texels x(texture, b, width, channels);
      for (int64_t c = 0; c < channels; ++c)
        out[i * channels + c] = b.w[0] * x.t[0][c] + b.w[1] * x.t[1][c] + b.w[2] * x.t[2][c] + b.w[3] * x.t[3][c];
    }
  });
}

// grad_texture [H,W,C] and grad_uv [N,2]. A texture row has one owner among the threads, who adds in order of
// pixels: deterministic without a private copy of a large texture for each.
void dl_sample_texture_backward(const float* texture, int64_t height, int64_t width, int64_t channels,
                                      const float* uv, int64_t n, int32_t repeat, int32_t threads,
                                      const float* grad_out, float* grad_texture, float* grad_uv) {
  dreamlab::over(n, threads, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const Bilinear b = bilinear(uv + i * 2, height, width, repeat != 0);
      const Texels x(texture, b, width, channels);
      float gx = 0.0f, gy = 0.0f;
      for (int64_t c = 0; c < channels; ++c) {
        const float g = grad_out[i * channels + c];
        gx += g * ((x.t[1][c] - x.t[0][c]) * (1 - b.fy) + (x.t[3][c] - x.t[2][c]) * b.fy);
        gy += g * ((x.t[2][c] - x.t[0][c]) * (1 - b.fx) + (x.t[3][c] - x.t[1][c]) * b.fx);
      }
      grad_uv[i * 2] = b.live_x ? gx * static_cast<float>(width) : 0.0f;
      grad_uv[i * 2 + 1] = b.live_y ? -gy * static_cast<float>(height) : 0.0f;
    }
  });
  parallel_for(threads, threads, [&](int64_t part, int) {
    const int64_t row0 = height * part / threads, row1 = height * (part + 1) / threads;
    std::fill(grad_texture + row0 * width * channels, grad_texture + row1 * width * channels, 0.0f);
    for (int64_t i = 0; i < n; ++i) {
      const Bilinear b = bilinear(uv + i * 2, height, width, repeat != 0);
      for (int k = 0; k < 4; ++k) {
        if (b.y[k >> 1] < row0 || b.y[k >> 1] >= row1) continue;
        float* target = grad_texture + (b.y[k >> 1] * width + b.x[k & 1]) * channels;
        for (int64_t c = 0; c < channels; ++c) target[c] += b.w[k] * grad_out[i * channels + c];
      }
    }
  });
}

}  // extern "C"
