// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// The order of a weight's rows in its file, when the file does not keep them in Hugging Face
/// order.
///
/// Rows are reordered within a head, never across heads, so a slice of whole heads is contiguous.
public sealed interface RowOrder {
    /// Returns the stored row that holds row `row` of the whole tensor.
    int storedRow(int row);

    /// Returns the row of the whole tensor that stored row `storedRow` holds.
    int row(int storedRow);

    /// The file keeps the order of Hugging Face.
    record AsIs() implements RowOrder {
        @Override
        public int storedRow(int row) {
            return row;
        }

        @Override
        public int row(int storedRow) {
            return storedRow;
        }
    }

    /// q and k for rope on adjacent pairs, as some families and llama.cpp's files of others have
    /// them: of the rotated rows of a head, rows `0, half, 1, half + 1, …` of the order for
    /// rotate-half, where `half = rotaryDim / 2`. The others are as they are.
    ///
    /// @param from the first rotated row of a head
    record AdjacentPairs(int headDim, int from, int rotaryDim) implements RowOrder {
        public AdjacentPairs {
            if (from < 0 || rotaryDim < 2 || rotaryDim % 2 != 0 || from + rotaryDim > headDim) {
                throw new IllegalArgumentException(
                        "rotary size %d from row %d on is not even and within the head size %d"
                                .formatted(rotaryDim, from, headDim));
            }
        }

        /// Creates the order of heads that are rotated as a whole.
        public AdjacentPairs(int headDim) {
            this(headDim, 0, headDim);
        }

        @Override
        public int storedRow(int row) {
            int half = rotaryDim / 2;
            int rotated = row % headDim - from;
            return rotated < 0 || rotated >= rotaryDim
                    ? row
                    : row - rotated + 2 * (rotated % half) + rotated / half;
        }

        @Override
        public int row(int storedRow) {
            int half = rotaryDim / 2;
            int rotated = storedRow % headDim - from;
            return rotated < 0 || rotated >= rotaryDim
                    ? storedRow
                    : storedRow - rotated + rotated % 2 * half + rotated / 2;
        }
    }
}
