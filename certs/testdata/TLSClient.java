// Connects as a Java client of the far side does, once for each line of the file
// "cases" in the directory given: protocol host port truststore keystore ("-": none).
// Prints what the server says, or "refused: " and why. The stores' password stands in
// the environment as P12PASS.
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public class TLSClient {
    static final char[] password = System.getenv("P12PASS").toCharArray();

    static KeyStore store(Path file) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (FileInputStream in = new FileInputStream(file.toFile())) {
            store.load(in, password);
        }
        return store;
    }

    static String connect(Path dir, String[] test) throws Exception {
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(store(dir.resolve(test[3])));
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(test[4].equals("-") ? null : store(dir.resolve(test[4])), password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        // 127.0.0.2 and the like are only compared with the certificate; the server is at 127.0.0.1.
        java.net.Socket plain = new java.net.Socket("127.0.0.1", Integer.parseInt(test[2]));
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, test[1], Integer.parseInt(test[2]), true)) {
            socket.setSoTimeout(20000);
            socket.setEnabledProtocols(new String[] {test[0]});
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            String line = new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine();
            return line == null ? "refused: closed" : line;
        }
    }

    public static void main(String[] args) throws Exception {
        Path dir = Path.of(args[0]);
        for (String line : Files.readAllLines(dir.resolve("cases"))) {
            try {
                System.out.println(connect(dir, line.split(" ")));
            } catch (Exception e) {
                System.out.println("refused: " + e.getMessage());
            }
        }
    }
}
