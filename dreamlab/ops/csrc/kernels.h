// What the kernels are told, and the table of them that every instruction set fills in (see kernels.inl).
#pragma once

#include <cstdint>

#include "convolution.h"

constexpr int kMaxLevels = 16;
constexpr int kMaxLayers = 8;
constexpr int kMaxWidth = 128;
constexpr int kTile = 48;  // samples that go through the MLP together: a multiple of every row block; the tiles fit L1
constexpr int kPad = 16;   // widths are padded with zeros to whole vectors
constexpr int kStepGroup = 16;  // march tests this many steps into one 16-bit mask

static inline int padded(int width) { return (width + kPad - 1) / kPad * kPad; }

struct Level {
  float scale;
  uint32_t resolution;
  uint32_t rows;
  uint32_t dense;
  int64_t offset;  // first row in the table
};

struct Grid {
  int levels;
  int features;
  Level level[kMaxLevels];
};

// width[0] is the input's; weight[l] is [width[l+1]][padded(width[l])], transposed[l] is [width[l]][padded(width[l+1])].
struct Mlp {
  int layers;
  int width[kMaxLayers + 1];
  const float* weight[kMaxLayers];
  const float* transposed[kMaxLayers];
  int64_t gradient_offset[kMaxLayers];  // of layer l within a partial gradient: [padded out][padded in]
  int64_t hidden_floats;                // of a tile's hidden activations
};

// Work space of one thread: an activation tile per layer and two gradient tiles.
constexpr int64_t kTileFloats = int64_t{kTile} * kMaxWidth;
constexpr int64_t kWorkFloats = kTileFloats * (kMaxLayers + 3);

// Rows of features: f(n, level, feature) = data[n * row + level * level_stride + feature].
template <class T>
struct Features {
  T* data;
  int64_t row;
  int64_t level;
};

struct March {
  const float* origins;
  const float* directions;
  const float* jitter;
  const uint32_t* occupied;  // one bit a cell
  int grid;
  float step;
  float low[3], high[3];  // box around the occupied cells
  int64_t groups;         // masks a ray
};

struct Packed {
  const float* sigma;
  const float* rgb;
  const float* t0;
  const float* t1;
};

struct Kernels {
  const char* name;
  // One level of the points begin..end-1.
  void (*encode)(const Grid&, int level, const float* table, const float* x, int64_t begin, int64_t end,
                 const Features<float>& out);
  void (*encode_backward_table)(const Grid&, int level, const float* x, int64_t n, const Features<const float>&,
                                float* out);
  void (*encode_backward_x)(const Grid&, const float* table, const float* x, int64_t begin, int64_t end,
                            const Features<const float>&, float* out);
  // The input's width is cut into `levels` equal parts; begin is a multiple of kTile.
  void (*mlp)(const Mlp&, const Features<const float>& input, int levels, int64_t begin, int64_t end, float* hidden,
              float* out, float* work);
  void (*mlp_backward)(const Mlp&, const Features<const float>& input, int levels, float* hidden,
                       const float* gradient, int64_t begin, int64_t end, float* partial,
                       const Features<float>& input_gradient, float* work);
  void (*march)(const March&, int64_t begin, int64_t end, float* near, uint16_t* masks, int32_t* counts);
  void (*composite)(const Packed&, const int64_t* start, int64_t begin, int64_t end, float* rgb, float* opacity,
                    float* depth, float* weights);
  // work holds 2 floats a sample of the longest ray
  void (*composite_backward)(const Packed&, const int64_t* start, int64_t begin, int64_t end, const float* g_rgb,
                             const float* g_opacity, const float* g_depth, const float* g_weights, float* g_sigma,
                             float* g_color, float* work);
  // Tiles begin..end-1; zeros are as many as the image has channels, rounded up to chunks.
  void (*input_tiles)(const Maps&, int64_t begin, int64_t end, const float* zeros, const Panels&);
  void (*gradient_tiles)(const Maps&, int64_t begin, int64_t end, const float* zeros, const Panels&);
  void (*transform_weights)(const Filter&, int64_t output, float* to);
  void (*convolve_tiles)(const Panels&, int64_t begin, int64_t end, int64_t inputs, const float* weights,
                         int64_t first, int64_t chunks, const float* bias, const Maps&, float* out, float* work);
  void (*weight_products)(const Panels& gradients, const Panels& tiles, int which, int64_t n, int64_t outputs,
                          int64_t inputs, bool add, float* out);
  void (*bias_gradient)(const Panels& gradients, int64_t n, int64_t outputs, bool add, float* out);
  void (*weight_gradient)(const Filter&, const float* products, int64_t stride, int64_t output, int64_t input,
                          float* gradient);
};

extern const Kernels kBaseKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

const Kernels& kernels();  // the best that this CPU runs, or the one that dl_set_isa chose
