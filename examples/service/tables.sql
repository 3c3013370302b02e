-- Two hundred items.
create table item (id serial primary key, name text not null, price int not null);
insert into item (name, price) select 'item ' || n, n * 100 from generate_series(1, 200) n;
