package shop;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.Reader;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import java.util.StringJoiner;
import java.util.concurrent.Executors;

/** The shop's catalogue: `GET /products` tells what the database holds, `GET /health` whether it can be reached. */
public final class Catalogue {
    private final Properties settings;

    private Catalogue(Properties settings) {
        this.settings = settings;
    }

    public static void main(String[] arguments) throws IOException {
        Properties settings = new Properties();
        try (Reader reader = Files.newBufferedReader(Path.of(arguments[0]))) {
            settings.load(reader);
        }
        Catalogue catalogue = new Catalogue(settings);
        int port = Integer.parseInt(settings.getProperty("port"));
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
        server.createContext("/products", exchange -> answer(exchange, catalogue::products));
        server.createContext("/health", exchange -> answer(exchange, catalogue::health));
        server.setExecutor(Executors.newFixedThreadPool(8));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> server.stop(1)));
        server.start();
        System.out.println("catalogue " + settings.getProperty("node") + " listens on port " + port);
    }

    private String products() throws SQLException {
        StringJoiner products = new StringJoiner(",", "[", "]");
        try (Connection database = connect();
                Statement statement = database.createStatement();
                ResultSet rows = statement.executeQuery("SELECT name, price_cents FROM product ORDER BY name")) {
            while (rows.next()) {
                products.add("{\"name\":" + quoted(rows.getString(1)) + ",\"price_cents\":" + rows.getInt(2) + "}");
            }
        }
        return "{\"node\":" + quoted(settings.getProperty("node")) + ",\"products\":" + products + "}";
    }

    private String health() throws SQLException {
        try (Connection database = connect()) {
            return "{\"healthy\":" + database.isValid(2) + "}";
        }
    }

    private Connection connect() throws SQLException {
        return DriverManager.getConnection(
                settings.getProperty("db.url"), settings.getProperty("db.user"), settings.getProperty("db.password"));
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    private static void answer(HttpExchange exchange, Question question) throws IOException {
        int status = 200;
        String body;
        try {
            body = question.ask();
        } catch (SQLException error) {
            System.err.println(error.getMessage());
            status = 503;
            body = "{\"error\":\"the database does not answer\"}";
        }
        byte[] content = (body + "\n").getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, content.length);
        exchange.getResponseBody().write(content);
        exchange.close();
    }

    private interface Question {
        String ask() throws SQLException;
    }
}
