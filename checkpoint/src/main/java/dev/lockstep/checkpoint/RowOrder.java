// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// The order of a weight's rows in its file, when the file does not keep them in Hugging Face
/// order.
///
/// Rows are reordered within a head, never across heads, so a slice of whole heads is contiguous.
public sealed interface RowOrder {
    /// Returns the stored row that holds row `row` of the whole tensor.
    int storedRow(int row);

    /// The file keeps the order of Hugging Face.
    record AsIs() implements RowOrder {
        @Override
        public int storedRow(int row) {
            return row;
        }
    }

    /// llama.cpp stores q and k of some families for rope on adjacent pairs: per head, rows `0,
    /// half, 1, half + 1, …` of Hugging Face's order, where `half = headDim / 2`.
    record AdjacentPairs(int headDim) implements RowOrder {
        public AdjacentPairs {
            if (headDim < 2 || headDim % 2 != 0) {
                throw new IllegalArgumentException("head size " + headDim + " is not even");
            }
        }

        @Override
        public int storedRow(int row) {
            int half = headDim / 2;
            int inHead = row % headDim;
            return row - inHead + 2 * (inHead % half) + inHead / half;
        }
    }
}
