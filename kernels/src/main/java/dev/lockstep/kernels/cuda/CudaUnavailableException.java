// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

/// Something that CUDA needs is missing on this host: what, and the remedy, in one line.
public final class CudaUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String missing;
    private final String remedy;

    public CudaUnavailableException(String missing, String remedy) {
        super(missing + ": " + remedy);
        this.missing = missing;
        this.remedy = remedy;
    }

    public String missing() {
        return missing;
    }

    public String remedy() {
        return remedy;
    }
}
