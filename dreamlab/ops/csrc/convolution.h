// What the convolution's kernels are told: images, weights, and the panels that their transforms lie in.
#pragma once

#include <cstdint>

constexpr int kChunk = 16;     // channels that are stored together
constexpr int kTileSide = 4;   // pixels of an output tile
constexpr int kProducts = 36;  // points of an input tile, each with a matrix product of its own
constexpr int kTilesAtOnce = 64;
constexpr int64_t kTileFloatsOut = int64_t{kProducts} * kChunk;

// Images [n, height, width, channels], cut into tiles.
struct Maps {
  const float* data;
  int64_t height, width, channels;
  int64_t tiles_y, tiles_x;
};

// Transformed tiles, the first of which is tile number `first`: [36 products][chunks of channels][tiles][kChunk].
struct Panels {
  float* data;
  int64_t product;  // floats from one product to the next: an odd number of cache lines, so that they do not collide
  int64_t chunk;
  int64_t first;

  float* at(int which, int64_t number) const { return data + which * product + number * chunk; }
};

// Weights, wherever their four axes lie.
struct Filter {
  const float* data;
  int64_t outputs, inputs;
  int64_t of_output, of_input, of_row, of_column;
};

// Rows of a chunk that each transformed product of weights takes: odd, for the same reason.
static inline int64_t filter_rows(int64_t inputs) { return inputs | 1; }
