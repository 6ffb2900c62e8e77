// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.HttpHeaderNames;
import com.linecorp.armeria.common.RequestHeaders;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Locale;
import java.util.function.IntConsumer;
import java.util.zip.GZIPInputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;

/// The `Content-Encoding` of a request's body.
enum BodyEncoding {
    IDENTITY,
    GZIP,
    DEFLATE;

    private static final int PIECE = 16 << 10;

    /// The method in the low bits of the first byte of the zlib format.
    private static final int ZLIB_DEFLATE = 8;

    private static final int ZLIB_CHECK = 31;

    /// Returns the encoding; one that is not known is refused.
    static BodyEncoding of(RequestHeaders headers) {
        String given = String.join(",", headers.getAll(HttpHeaderNames.CONTENT_ENCODING));
        return switch (given.strip().toLowerCase(Locale.ROOT)) {
            case "", "identity" -> IDENTITY;
            case "gzip", "x-gzip" -> GZIP;
            case "deflate" -> DEFLATE;
            default ->
                    throw ApiError.refused(
                            415,
                            "unsupported_encoding",
                            "the body has the Content-Encoding "
                                    + Json.quoted(given)
                                    + ", it must be gzip, deflate or identity");
        };
    }

    /// Returns the decoded body.
    ///
    /// @param admit accepts the size of each piece before it is kept, or throws
    byte[] decode(byte[] body, IntConsumer admit) {
        if (this == IDENTITY) {
            return body;
        }
        var decoded = new ByteArrayOutputStream();
        byte[] piece = new byte[PIECE];
        // The stream does not end an inflater that it was given.
        try (var inflater = new Inflater(!isZlib(body));
                InputStream in = open(body, inflater)) {
            for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
                admit.accept(count);
                decoded.write(piece, 0, count);
            }
        } catch (IOException e) {
            throw ApiError.refused(
                    400,
                    "broken_body",
                    "the body is not valid " + name().toLowerCase(Locale.ROOT) + " data");
        }
        return decoded.toByteArray();
    }

    private InputStream open(byte[] body, Inflater inflater) throws IOException {
        var in = new ByteArrayInputStream(body);
        return this == GZIP ? new GZIPInputStream(in) : new InflaterInputStream(in, inflater);
    }

    /// Returns whether the body begins as the zlib format, which the name `deflate` means; some
    /// clients send the data without it.
    private static boolean isZlib(byte[] body) {
        return body.length >= 2
                && (body[0] & 0xF) == ZLIB_DEFLATE
                && (((body[0] & 0xFF) << 8) | (body[1] & 0xFF)) % ZLIB_CHECK == 0;
    }
}
